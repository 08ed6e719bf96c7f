// inference bench: how fast a model runs here, and how near that is to the memory's limit.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "bench.h"
#include "bench_batch.h"
#include "profile.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr size_t kFirstPrompt = 32;  // tokens of the prompt behind first_token_s

struct Options {
  BenchOptions bench;
  bool profile = false;
  bool json = false;
};

struct Measured {
  std::vector<double> prefill_tok_s, decode_tok_s, load_s, first_token_s;
  double read_gb_s = 0.0, peak_rss_mb = 0.0;
  uint64_t decode_bytes_per_token = 0;
  double share_of_read_bandwidth = 0.0;
  std::string model, device;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2.0;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Loads the model and runs it once; adds to `measured`.
void Repeat(const BenchOptions& options, const Runtime& runtime, Measured& measured) {
  const auto start = std::chrono::steady_clock::now();
  const Model model = LoadModelInto(runtime, options.model, nullptr);
  measured.load_s.push_back(SecondsSince(start));
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, model.get(), &desc);
  const std::vector<inf_token> ids = PromptIds(options, desc.vocab_size);
  Generate(model, std::span(ids).first(std::min(ids.size(), kFirstPrompt)), 1);
  measured.first_token_s.push_back(SecondsSince(start));

  const inf_result result = Generate(model, ids, options.gen_tokens);
  measured.prefill_tok_s.push_back(result.prefill_tok_s);
  measured.decode_tok_s.push_back(result.decode_tok_s);
  measured.decode_bytes_per_token = desc.decode_bytes_per_token;
  measured.model = ModelLine(desc);
}

// The device that the model went to, as an index.
uint32_t WarmUp(const BenchOptions& options, const Runtime& runtime) {
  const Model model = LoadModelInto(runtime, options.model, nullptr);
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, model.get(), &desc);
  // What is compiled or touched for the first time is no part of the measurement.
  const std::vector<inf_token> ids = PromptIds(options, desc.vocab_size);
  Generate(model, std::span(ids).first(std::min(ids.size(), kFirstPrompt)), 2);
  return desc.device;
}

Measured Measure(const BenchOptions& options) {
  const Runtime runtime = NewRuntime(options.model.verbose);
  const uint32_t device = WarmUp(options, runtime);
  Measured measured;
  for (int64_t i = 0; i < options.repetitions; ++i) Repeat(options, runtime, measured);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);  // before the buffer of the read test
  measured.peak_rss_mb = static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;

  auto desc = Sized<inf_device_desc>();
  Call(inf_device_info, runtime.get(), device, &desc);
  measured.device = desc.name;
  measured.read_gb_s = ReadBandwidth(runtime, device);
  measured.share_of_read_bandwidth = static_cast<double>(measured.decode_bytes_per_token) *
                                     Median(measured.decode_tok_s) / (measured.read_gb_s * 1e9);
  return measured;
}

Json ToJson(const BenchOptions& options, const Measured& measured) {
  return {{"prefill_tok_s", Median(measured.prefill_tok_s)},
          {"decode_tok_s", Median(measured.decode_tok_s)},
          {"load_s", Median(measured.load_s)},
          {"first_token_s", Median(measured.first_token_s)},
          {"read_gb_s", measured.read_gb_s},
          {"decode_bytes_per_token", measured.decode_bytes_per_token},
          {"share_of_read_bandwidth", measured.share_of_read_bandwidth},
          {"peak_rss_mb", measured.peak_rss_mb},
          {"prompt_tokens", options.prompt_tokens},
          {"gen_tokens", options.gen_tokens},
          {"repetitions", options.repetitions},
          {"model", measured.model},
          {"device", measured.device}};
}

void OutTable(const BenchOptions& options, const Measured& measured) {
  const Colors colors(STDOUT_FILENO);
  Out(fmt::format("{}{}{}\n{}\n", colors.bold, measured.model, colors.reset, measured.device));
  const auto row = [&](std::string_view name, const std::string& value, const std::string& note) {
    Out(fmt::format("{:<12}{:>16}  {}{}{}\n", name, value, colors.dim, note, colors.reset));
  };
  const auto number = [](double value, std::string_view unit) {
    return fmt::format("{:.2f} {}", value, unit);
  };
  row("prefill", number(Median(measured.prefill_tok_s), "tok/s"),
      fmt::format("{} tokens", options.prompt_tokens));
  row("decode", number(Median(measured.decode_tok_s), "tok/s"),
      fmt::format("{} tokens, {} of weights each", options.gen_tokens,
                  HumanBytes(measured.decode_bytes_per_token)));
  row("load", number(Median(measured.load_s), "s"), "");
  row("first token", number(Median(measured.first_token_s), "s"),
      fmt::format("load, {} tokens of prompt, one token",
                  std::min<int64_t>(options.prompt_tokens, kFirstPrompt)));
  row("read", number(measured.read_gb_s, "GB/s"),
      fmt::format("a kernel that only reads; decode reaches {:.0f} % of it",
                  measured.share_of_read_bandwidth * 100.0));
  row("peak memory", number(measured.peak_rss_mb, "MB"), "of this process");
}

void Run(Options options) {
  BenchOptions& bench = options.bench;
  if (!bench.ids.empty()) bench.prompt_tokens = static_cast<int64_t>(ParseIds(bench.ids).size());
  if (options.profile) {
    const ModelProfile profile = bench.batch > 0 ? ProfileBatch(bench) : ProfileModel(bench);
    if (options.json) return OutLine(ToJson(profile));
    OutTable(profile);
  } else if (bench.batch > 0) {
    const BatchMeasured measured = MeasureBatch(bench);
    if (options.json) return OutLine(ToJson(bench, measured));
    OutTable(bench, measured);
  } else {
    const Measured measured = Measure(bench);
    if (options.json) return OutLine(ToJson(bench, measured));
    OutTable(bench, measured);
  }
  FlushOut();
}

}  // namespace

Command AddBench(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("bench", "Measure prefill, decode, load and memory");
  BenchOptions& bench = options->bench;
  bench.model.prefix_cache = 0;  // the same prompt again and again
  AddLoadOptions(*app, bench.model);
  CLI::Option* ids =
      app->add_option("--ids", bench.ids, "Token ids as the prompt: 1,2,3")->type_name("IDS");
  app->add_option("--prompt-tokens", bench.prompt_tokens, "Length of the prompt")
      ->type_name("N")
      ->check(AtLeast(1))
      ->excludes(ids)
      ->capture_default_str();
  app->add_option("--gen-tokens", bench.gen_tokens, "Tokens to generate")
      ->type_name("N")
      ->check(AtLeast(2))
      ->capture_default_str();
  app->add_option("--repetitions", bench.repetitions, "Runs; medians are reported")
      ->type_name("N")
      ->check(AtLeast(1))
      ->capture_default_str();
  app->add_option("--batch", bench.batch,
                  "Rows that decode at once, against one row: steps of each in turn")
      ->type_name("N")
      ->check(Between(2, 64));
  app->add_flag("--profile", options->profile,
                "Time of each kernel, what it moves and computes, and its share of the limits");
  app->add_flag("--json", options->json, "One JSON object");
  app->footer(
      "One unmeasured run comes first, so kernels are cached. first_token_s is the time from the\n"
      "start of loading to the first token after a prompt of at most 32 tokens.\n\n"
      "--profile times every launch by the driver's clock. A decoded token, otherwise one launch\n"
      "on CPU devices, is a launch for each kernel then; its usual time stands beside the sum.\n"
      "Limits are the device's read bandwidth and its rate of float32 matrix products, measured\n"
      "in the same process; a kernel's own is the one that it reaches first. The quietest of the\n"
      "--repetitions counts. With --batch it is a step of all rows that is profiled.\n\n"
      "Example:\n"
      "  inference bench --model model.gguf --repetitions 5\n"
      "  inference bench --model model.gguf --profile\n"
      "  inference bench --model model.gguf --batch 8 --prompt-tokens 32");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
