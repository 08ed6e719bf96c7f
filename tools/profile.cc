#include "profile.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "terminal.h"

namespace inference::tools {

namespace {

constexpr size_t kWarmUpPrompt = 32;

uint64_t KernelNs(const StageProfile& stage) {
  return std::accumulate(stage.kernels.begin(), stage.kernels.end(), uint64_t{0},
                         [](uint64_t sum, const KernelShare& k) { return sum + k.ns; });
}

KernelShare Sum(const StageProfile& stage) {
  KernelShare sum{.kernel = "all kernels", .what = ""};
  for (const KernelShare& k : stage.kernels) {
    sum.launches += k.launches;
    sum.ns += k.ns;
    sum.weight_bytes += k.weight_bytes;
    sum.read_bytes += k.read_bytes;
    sum.written_bytes += k.written_bytes;
    sum.flops += k.flops;
  }
  return sum;
}

// ---- measuring ----

// Runs `gen` to its first token, or to its end.
void RunOn(const Gen& gen, bool to_first_token) {
  const inf_event* event = nullptr;
  while (Call(inf_gen_next, gen.get(), &event) != INF_DONE) {
    if (to_first_token && event->kind == INF_EVENT_TOKEN) return;
  }
}

StageProfile ProfileStage(const Runtime& runtime, uint32_t device, const Gen& gen,
                          bool to_first_token) {
  StageProfile stage;
  Call(inf_profile_start, runtime.get(), device);
  const auto start = std::chrono::steady_clock::now();
  RunOn(gen, to_first_token);
  stage.profiled_s = SecondsSince(start);
  stage.kernels = StopProfile(runtime, device);
  return stage;
}

// The run whose kernels took the least time, and the least of the usual times.
void KeepQuietest(StageProfile& best, StageProfile stage) {
  const double usual_s =
      best.kernels.empty() ? stage.usual_s : std::min(best.usual_s, stage.usual_s);
  if (best.kernels.empty() || KernelNs(stage) < KernelNs(best)) best = std::move(stage);
  best.usual_s = usual_s;
}

struct Stages {
  StageProfile prefill, decode;
};

Stages ProfileRun(const Runtime& runtime, const Model& model, uint32_t device,
                  std::span<const inf_token> ids, int32_t gen_tokens) {
  const int32_t max_tokens = gen_tokens + 1;  // the first belongs to the prefill
  const inf_result usual = Generate(model, ids, max_tokens);
  const BenchRun run = NewRun(model, ids, max_tokens);
  Gen gen;
  Call(inf_gen_start, run.session.get(), run.request.get(), gen.out());
  Stages stages;
  stages.prefill = ProfileStage(runtime, device, gen, true);
  stages.decode = ProfileStage(runtime, device, gen, false);
  stages.prefill.tokens = static_cast<int64_t>(ids.size());
  stages.decode.tokens = gen_tokens;
  stages.prefill.usual_s = static_cast<double>(usual.prefill_ns) / 1e9;
  stages.decode.usual_s = static_cast<double>(usual.decode_ns) / 1e9;
  return stages;
}

// ---- telling ----

struct Rates {
  double gb_s = 0.0, gflop_s = 0.0, share = 0.0;
  bool by_memory = false;  // what its limit is
};

Rates RatesOf(const ModelProfile& profile, const KernelShare& k) {
  const auto ns = static_cast<double>(std::max<uint64_t>(k.ns, 1));
  Rates rates{.gb_s = static_cast<double>(k.bytes()) / ns,
              .gflop_s = static_cast<double>(k.flops) / ns};
  const double memory = rates.gb_s / profile.read_gb_s;
  const double arithmetic = rates.gflop_s / profile.gemm_gflop_s;
  rates.share = std::max(memory, arithmetic);
  rates.by_memory = memory >= arithmetic;
  return rates;
}

const char* LimitName(const Rates& rates) { return rates.by_memory ? "memory" : "arithmetic"; }

Json ToJson(const ModelProfile& profile, const StageProfile& stage) {
  Json kernels = Json::array();
  for (const KernelShare& k : stage.kernels) {
    const Rates rates = RatesOf(profile, k);
    kernels.push_back({{"kernel", k.kernel},
                       {"what", k.what},
                       {"launches", k.launches},
                       {"ns", k.ns},
                       {"weight_bytes", k.weight_bytes},
                       {"read_bytes", k.read_bytes},
                       {"written_bytes", k.written_bytes},
                       {"flops", k.flops},
                       {"gb_s", rates.gb_s},
                       {"gflop_s", rates.gflop_s},
                       {"share_of_limit", rates.share},
                       {"limit", LimitName(rates)}});
  }
  return {{"tokens", stage.tokens},
          {"usual_s", stage.usual_s},
          {"profiled_s", stage.profiled_s},
          {"kernels_s", static_cast<double>(KernelNs(stage)) / 1e9},
          {"kernels", std::move(kernels)}};
}

// `parts`: what the times and sums are divided by, the tokens of a decode.
void OutStage(const ModelProfile& profile, const StageProfile& stage, double parts,
              std::string_view title) {
  const Colors colors(STDOUT_FILENO);
  const KernelShare sum = Sum(stage);
  const auto total_ns = static_cast<double>(sum.ns);
  Out(fmt::format("\n{}{}{}\n", colors.bold, title, colors.reset));
  Out(fmt::format("{}{:<15}{:<34}{:>9}{:>7}{:>10}{:>10}{:>9}{:>8}{:>9}  {}{}\n", colors.dim,
                  "kernel", "of", "ms", "%", "launches", "MB", "GFLOP", "GB/s", "GFLOP/s",
                  "of its limit", colors.reset));
  const auto row = [&](const KernelShare& k) {
    const Rates rates = RatesOf(profile, k);
    Out(fmt::format(
        "{:<15}{:<34}{:>9.3f}{:>7.1f}{:>10.0f}{:>10.3f}{:>9.3f}{:>8.1f}{:>9.1f}"
        "{:>5.0f} % {}\n",
        k.kernel, k.what, static_cast<double>(k.ns) / 1e6 / parts,
        100.0 * static_cast<double>(k.ns) / std::max(total_ns, 1.0),
        static_cast<double>(k.launches) / parts, static_cast<double>(k.bytes()) / 1e6 / parts,
        static_cast<double>(k.flops) / 1e9 / parts, rates.gb_s, rates.gflop_s, 100.0 * rates.share,
        LimitName(rates)));
  };
  for (const KernelShare& k : stage.kernels) row(k);
  row(sum);
  const auto time = [&](std::string_view name, double seconds, const std::string& note) {
    Out(fmt::format("{:<49}{:>9.3f}  {}{}{}\n", name, seconds * 1e3 / parts, colors.dim, note,
                    colors.reset));
  };
  time("between kernels", stage.profiled_s - total_ns / 1e9, "launches, host");
  time("all of it as usual, without a profile", stage.usual_s,
       fmt::format("{:.1f} tok/s",
                   static_cast<double>(stage.tokens * profile.rows) / stage.usual_s));
}

}  // namespace

std::vector<KernelShare> StopProfile(const Runtime& runtime, uint32_t device) {
  TextOutput text;
  Call(inf_profile_stop, runtime.get(), device, text.out());
  const Json profile = ParseJson(text.view(), "profile");
  std::vector<KernelShare> out;
  for (const Json& entry : profile["kernels"]) {
    out.push_back({.kernel = entry["kernel"],
                   .what = entry["what"],
                   .launches = entry["launches"],
                   .ns = entry["ns"],
                   .weight_bytes = entry["weight_bytes"],
                   .read_bytes = entry["read_bytes"],
                   .written_bytes = entry["written_bytes"],
                   .flops = entry["flops"]});
  }
  return out;
}

ModelProfile ProfileModel(const BenchOptions& options) {
  ModelProfile profile;
  const Runtime runtime = NewRuntime(options.model.verbose);
  const Model model = LoadModelInto(runtime, options.model, nullptr);
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, model.get(), &desc);
  profile.model = ModelLine(desc);
  const std::vector<inf_token> ids = PromptIds(options, desc.vocab_size);
  // Kernels compile at their first launch, and those of a decode by themselves only here.
  const auto first = std::span(ids).first(std::min(ids.size(), kWarmUpPrompt));
  ProfileRun(runtime, model, desc.device, first, 2);
  for (int64_t i = 0; i < options.repetitions; ++i) {
    Stages stages = ProfileRun(runtime, model, desc.device, ids, options.gen_tokens);
    KeepQuietest(profile.prefill, std::move(stages.prefill));
    KeepQuietest(profile.decode, std::move(stages.decode));
  }
  auto device = Sized<inf_device_desc>();
  Call(inf_device_info, runtime.get(), desc.device, &device);
  profile.device = device.name;
  profile.read_gb_s = ReadBandwidth(runtime, desc.device);
  Call(inf_device_gemm_rate, runtime.get(), desc.device, &profile.gemm_gflop_s);
  return profile;
}

Json ToJson(const ModelProfile& profile) {
  Json out = {{"model", profile.model},
              {"device", profile.device},
              {"rows", profile.rows},
              {"read_gb_s", profile.read_gb_s},
              {"gemm_gflop_s", profile.gemm_gflop_s}};
  if (!profile.prefill.kernels.empty()) out["prefill"] = ToJson(profile, profile.prefill);
  out["decode"] = ToJson(profile, profile.decode);
  return out;
}

void OutTable(const ModelProfile& profile) {
  const Colors colors(STDOUT_FILENO);
  Out(fmt::format("{}{}{}\n{}\n", colors.bold, profile.model, colors.reset, profile.device));
  Out(fmt::format("limits: memory {:.1f} GB/s, float32 products {:.1f} GFLOP/s\n",
                  profile.read_gb_s, profile.gemm_gflop_s));
  if (!profile.prefill.kernels.empty()) {
    OutStage(profile, profile.prefill, 1.0,
             fmt::format("Prefill, {} tokens", profile.prefill.tokens));
  }
  OutStage(profile, profile.decode, static_cast<double>(profile.decode.tokens),
           profile.rows == 1 ? fmt::format("Decode, one token (mean of {})", profile.decode.tokens)
                             : fmt::format("Decode, a step of {} rows (mean of {})", profile.rows,
                                           profile.decode.tokens));
}

}  // namespace inference::tools
