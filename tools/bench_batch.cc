#include "bench_batch.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "terminal.h"

namespace inference::tools {

namespace {

constexpr int64_t kWarmUpSteps = 4;  // what is compiled or recorded for the first time

using Batch = Handle<inf_batch, inf_batch_free>;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Requests that have their prompts, and steps of all of them.
class Rows {
 public:
  Rows(const BenchOptions& options, const Model& model, uint32_t vocab_size, int64_t rows,
       int64_t steps)
      : rows_(rows) {
    auto batch_options = Sized<inf_batch_options>();
    batch_options.slots = static_cast<uint32_t>(rows);
    Call(inf_batch_new, model.get(), &batch_options, batch_.out());
    SamplingOptions sampling;
    sampling.ignore_eos = true;
    std::vector<inf_token> ids = PromptIds(options, vocab_size);
    for (int64_t i = 0; i < rows; ++i) {
      // Those that got their prompt sooner have decoded more when the last one begins.
      sampling.max_tokens = static_cast<int32_t>(steps + rows * PromptSteps(options) + 1);
      const Request request = NewRequest(sampling, nullptr);
      Call(inf_request_set_tokens, request.get(), ids.data(), ids.size());
      uint64_t id = 0;
      Call(inf_batch_add, batch_.get(), static_cast<inf_session*>(nullptr), request.get(), &id);
      if (!ids.empty()) ids.front() = (ids.front() + 1) % static_cast<inf_token>(vocab_size);
    }
    std::vector<uint64_t> begun;
    while (static_cast<int64_t>(begun.size()) < rows) {
      const inf_batch_event& event = Next();
      if (!IsToken(event)) continue;
      if (std::ranges::find(begun, event.id) == begun.end()) begun.push_back(event.id);
    }
  }

  // Until every row has one more token; returns seconds.
  double Step() {
    const auto start = std::chrono::steady_clock::now();
    for (int64_t tokens = 0; tokens < rows_;) tokens += IsToken(Next()) ? 1 : 0;
    return SecondsSince(start);
  }
  void Step(StepTimes& times) {
    const double cpu_s = CpuSeconds();
    times.wall_s.push_back(Step());
    times.cpu_s.push_back(CpuSeconds() - cpu_s);
  }

 private:
  // Steps that one prompt can take beside others.
  static int64_t PromptSteps(const BenchOptions& options) { return options.prompt_tokens / 64 + 2; }

  static bool IsToken(const inf_batch_event& event) {
    return event.event != nullptr && event.event->kind == INF_EVENT_TOKEN;
  }

  const inf_batch_event& Next() {
    const inf_batch_event* event = nullptr;
    if (Call(inf_batch_next, batch_.get(), &event) == INF_DONE) {
      throw ApiError(INF_E_INTERNAL, "bench: the batch ended too soon");
    }
    if (event->result != nullptr) {
      throw ApiError(event->status, std::string(event->message, event->message_len));
    }
    return *event;
  }

  Batch batch_;
  int64_t rows_;
};

struct Loaded {
  Runtime runtime;
  Model model;
  inf_model_desc desc = Sized<inf_model_desc>();

  explicit Loaded(const BenchOptions& options) : runtime(NewRuntime(options.model.verbose)) {
    model = LoadModelInto(runtime, options.model, nullptr);
    Call(inf_model_info, model.get(), &desc);
  }
  std::string device_name() const {
    auto device = Sized<inf_device_desc>();
    Call(inf_device_info, runtime.get(), desc.device, &device);
    return device.name;
  }
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Least(std::vector<double> values) { return *std::min_element(values.begin(), values.end()); }

// Tokens a second of all rows by those of one.
double Ratio(const BenchOptions& options, const BatchMeasured& m,
             double (*of)(std::vector<double>)) {
  return static_cast<double>(options.batch) * of(m.one_row.wall_s) / of(m.rows.wall_s);
}

}  // namespace

BatchMeasured MeasureBatch(const BenchOptions& options) {
  const Loaded loaded(options);
  const int64_t steps = options.gen_tokens + kWarmUpSteps;
  Rows one(options, loaded.model, loaded.desc.vocab_size, 1, steps);
  Rows all(options, loaded.model, loaded.desc.vocab_size, options.batch, steps);
  BatchMeasured measured;
  for (int64_t i = 0; i < steps; ++i) {
    if (i == kWarmUpSteps) measured.one_row = measured.rows = {};
    one.Step(measured.one_row);
    all.Step(measured.rows);
  }
  measured.model = ModelLine(loaded.desc);
  measured.device = loaded.device_name();
  measured.read_gb_s = ReadBandwidth(loaded.runtime, loaded.desc.device);
  Call(inf_device_gemm_rate, loaded.runtime.get(), loaded.desc.device, &measured.gemm_gflop_s);
  return measured;
}

Json ToJson(const BenchOptions& options, const BatchMeasured& m) {
  const auto stage = [&](const StepTimes& times, double tokens) {
    return Json{{"tok_s", tokens / Median(times.wall_s)},
                {"step_ms", Median(times.wall_s) * 1e3},
                {"least_step_ms", Least(times.wall_s) * 1e3},
                {"cpu_ms", Median(times.cpu_s) * 1e3}};
  };
  return {{"rows", options.batch},
          {"one_row", stage(m.one_row, 1.0)},
          {"all_rows", stage(m.rows, static_cast<double>(options.batch))},
          {"ratio", Ratio(options, m, Median)},
          {"ratio_of_least", Ratio(options, m, Least)},
          {"read_gb_s", m.read_gb_s},
          {"gemm_gflop_s", m.gemm_gflop_s},
          {"prompt_tokens", options.prompt_tokens},
          {"steps", options.gen_tokens},
          {"model", m.model},
          {"device", m.device}};
}

void OutTable(const BenchOptions& options, const BatchMeasured& m) {
  const Colors colors(STDOUT_FILENO);
  Out(fmt::format("{}{}{}\n{}\n", colors.bold, m.model, colors.reset, m.device));
  const auto row = [&](int64_t count, const StepTimes& times) {
    Out(fmt::format(
        "{:<12}{:>10.2f} tok/s  {}a step: {:.2f} ms, {:.2f} at least; {:.2f} ms of "
        "CPU{}\n",
        fmt::format("{} row{}", count, count == 1 ? "" : "s"),
        static_cast<double>(count) / Median(times.wall_s), colors.dim, Median(times.wall_s) * 1e3,
        Least(times.wall_s) * 1e3, Median(times.cpu_s) * 1e3, colors.reset));
  };
  row(1, m.one_row);
  row(options.batch, m.rows);
  Out(
      fmt::format("{:<12}{:>10.2f} times  {}{:.2f} of the quietest steps; {} of each, in turn, "
                  "after prompts of {}{}\n",
                  "ratio", Ratio(options, m, Median), colors.dim, Ratio(options, m, Least),
                  m.rows.wall_s.size(), options.prompt_tokens, colors.reset));
  Out(fmt::format("{:<12}memory {:.1f} GB/s, float32 products {:.1f} GFLOP/s\n", "limits",
                  m.read_gb_s, m.gemm_gflop_s));
}

ModelProfile ProfileBatch(const BenchOptions& options) {
  const Loaded loaded(options);
  const auto steps = options.gen_tokens;
  Rows all(options, loaded.model, loaded.desc.vocab_size, options.batch,
           2 * steps + 2 * kWarmUpSteps);
  for (int64_t i = 0; i < kWarmUpSteps; ++i) all.Step();
  ModelProfile profile;
  profile.decode.tokens = steps;
  for (int64_t i = 0; i < steps; ++i) profile.decode.usual_s += all.Step();
  for (const bool warm : {false, true}) {
    const int64_t count = warm ? steps : kWarmUpSteps;
    profile.decode.profiled_s = 0.0;
    Call(inf_profile_start, loaded.runtime.get(), loaded.desc.device);
    for (int64_t i = 0; i < count; ++i) profile.decode.profiled_s += all.Step();
    profile.decode.kernels = StopProfile(loaded.runtime, loaded.desc.device);
  }
  profile.model = ModelLine(loaded.desc);
  profile.device = loaded.device_name();
  profile.rows = options.batch;
  profile.read_gb_s = ReadBandwidth(loaded.runtime, loaded.desc.device);
  Call(inf_device_gemm_rate, loaded.runtime.get(), loaded.desc.device, &profile.gemm_gflop_s);
  return profile;
}

}  // namespace inference::tools
