#include "bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "terminal.h"

namespace inference::tools {

namespace {

constexpr uint64_t kReadBytes = uint64_t{1} << 30;  // far more than the caches hold

}  // namespace

std::vector<inf_token> PromptIds(const BenchOptions& options, uint32_t vocab_size) {
  if (!options.ids.empty()) return ParseIds(options.ids);
  std::vector<inf_token> ids(static_cast<size_t>(options.prompt_tokens));
  uint64_t state = 1;  // a linear congruential generator (Knuth's MMIX constants)
  for (inf_token& id : ids) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    id = static_cast<inf_token>((state >> 33) % vocab_size);
  }
  return ids;
}

BenchRun NewRun(const Model& model, std::span<const inf_token> ids, int32_t max_tokens) {
  SamplingOptions sampling;
  sampling.max_tokens = max_tokens;
  sampling.ignore_eos = true;
  BenchRun run;
  run.request = NewRequest(sampling, nullptr);
  Call(inf_request_set_tokens, run.request.get(), ids.data(), ids.size());
  auto session_options = Sized<inf_session_options>();
  session_options.capacity = ids.size() + static_cast<uint64_t>(max_tokens);
  Call(inf_session_new, model.get(), &session_options, run.session.out());
  return run;
}

inf_result Generate(const Model& model, std::span<const inf_token> ids, int32_t max_tokens) {
  const BenchRun run = NewRun(model, ids, max_tokens);
  return RunRequest(run.session, run.request, [](const inf_event&) {});
}

double ReadBandwidth(const Runtime& runtime, uint32_t device) {
  auto desc = Sized<inf_device_desc>();
  Call(inf_device_info, runtime.get(), device, &desc);
  const uint64_t bytes = std::min({kReadBytes, desc.max_alloc_bytes, desc.memory_bytes / 4});
  double gb_s = 0.0;
  Call(inf_device_read_bandwidth, runtime.get(), device, bytes, &gb_s);
  return gb_s;
}

std::string ModelLine(const inf_model_desc& desc) {
  return fmt::format("{} {}, {} parameters", desc.architecture, desc.quantization,
                     HumanCount(desc.parameters));
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace inference::tools
