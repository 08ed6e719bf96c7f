// Runs a network step by step, as an engine would.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/checkpoint.h"
#include "nn/causal_lm.h"
#include "nn/kv_sequence.h"
#include "support/test_device.h"

namespace inference {

using Ids = std::vector<int32_t>;

enum class LogitsOf { kLast, kAll };

inline std::unique_ptr<CausalLm> LoadTestModel(const std::string& path) {
  return LoadModel(OpenCheckpoint(path), TestDevice(), {});
}

// One sequence over a network.
class ModelRunner {
 public:
  // `family`: nothing = the device's own.
  ModelRunner(const CausalLm& network, int64_t max_length, int64_t max_chunk,
              std::optional<KernelFamily> family = {}, DType kv_type = DType::kF32,
              bool rounded = false)
      : network_(&network),
        family_(family),
        rounded_(rounded),
        cache_(std::make_shared<KvCache>(TestDevice(), WithType(network.cache_specs(), kv_type),
                                         max_length, max_chunk)),
        sequence_(cache_),
        step_(*TestDevice()) {}

  // Logits of the ids that follow what was run before: of all, [T, V], or of the last one.
  std::vector<float> Run(std::span<const int32_t> ids, LogitsOf which) {
    const auto T = static_cast<int64_t>(ids.size());
    std::vector<float> out(
        static_cast<size_t>((which == LogitsOf::kAll ? T : 1) * network_->dims().vocab_size));
    TestDevice()->Run([&] {
      sequence_.Extend(T);
      const StepRow row{.position = sequence_.length(),
                        .ids = ids,
                        .outputs = which == LogitsOf::kAll ? T : 1,
                        .tables = sequence_.Tables(T)};
      const StepShape shape = ShapeOf({&row, 1});
      const bool moved = step_.Reserve(*TestDevice(), {&row, 1}) || version_ != cache_->version();
      version_ = cache_->version();
      if (moved || !recording_ || shape != shape_) Record(shape);
      step_.Set(*TestDevice(), {&row, 1});
      recording_->Run();
      TestDevice()->Read(logits_.buffer, 0, std::as_writable_bytes(std::span(out)));
      sequence_.Commit(T);
    });
    return out;
  }

  // From now on, for every token. Each coefficient is read from the start of its buffer.
  void SetAdapters(std::vector<StepAdapter> adapters) {
    adapters_ = std::move(adapters);
    recording_ = nullptr;
  }

  KvSequence& sequence() { return sequence_; }

 private:
  void Record(const StepShape& shape) {
    shape_ = shape;
    recording_ = family_ ? std::make_unique<Recording>(TestDevice(), *family_)
                         : std::make_unique<Recording>(TestDevice());
    if (shape.tokens == 1) recording_->UseOneLaunch();  // as an engine does
    if (rounded_) recording_->RoundActivations();
    const Step step = step_.step(shape);
    const ResidualStream stream =
        network_->Forward(*recording_, step, *cache_, network_->dims().num_layers, adapters_);
    logits_ = network_->Logits(*recording_, step, stream, 0, shape.outputs);
  }

  const CausalLm* network_;
  std::optional<KernelFamily> family_;
  bool rounded_;
  std::shared_ptr<KvCache> cache_;
  KvSequence sequence_;
  StepBuffer step_;
  StepShape shape_;
  uint64_t version_ = 0;
  std::vector<StepAdapter> adapters_;
  std::unique_ptr<Recording> recording_;
  Tensor logits_;
};

// Logits of every position, [T, V], with at most `chunk` tokens a step.
inline std::vector<float> AllLogits(const CausalLm& network, const Ids& ids, size_t chunk,
                                    std::optional<KernelFamily> family = {},
                                    DType kv_type = DType::kF32, bool rounded = false) {
  chunk = std::min(chunk, ids.size());
  ModelRunner runner(network, static_cast<int64_t>(ids.size()), static_cast<int64_t>(chunk), family,
                     kv_type, rounded);
  std::vector<float> out;
  for (size_t at = 0; at < ids.size(); at += chunk) {
    const auto piece = std::span(ids).subspan(at, std::min(chunk, ids.size() - at));
    const std::vector<float> logits = runner.Run(piece, LogitsOf::kAll);
    out.insert(out.end(), logits.begin(), logits.end());
  }
  return out;
}

struct GreedyResult {
  Ids ids;
  std::vector<float> margins;  // between the best two logits, by step
};

inline GreedyResult Greedy(const CausalLm& network, const Ids& prompt, size_t count) {
  ModelRunner runner(network, static_cast<int64_t>(prompt.size() + count),
                     static_cast<int64_t>(prompt.size()));
  GreedyResult out;
  Ids next = prompt;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> logits = runner.Run(next, LogitsOf::kLast);
    const auto best = std::ranges::max_element(logits);
    next = {static_cast<int32_t>(best - logits.begin())};
    const float top = *best;
    *best = -INFINITY;
    out.ids.push_back(next[0]);
    out.margins.push_back(top - *std::ranges::max_element(logits));
  }
  return out;
}

// A float32 tensor of a safetensors file.
inline std::vector<float> ReadTensor(const TensorSet& tensors, const std::string& name) {
  const TensorEntry* entry = tensors.Find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  std::vector<float> values(entry->bytes / sizeof(float));
  tensors.Read(*entry, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

// The largest |a - b| and the largest |b|.
struct Difference {
  float difference = 0, size = 0;
};
inline Difference Compare(const std::vector<float>& a, const std::vector<float>& b) {
  Difference out;
  for (size_t i = 0; i < b.size(); ++i) {
    const float d = std::abs(a[i] - b[i]);
    if (!(d <= out.difference)) out.difference = d;  // NaN, too
    out.size = std::max(out.size, std::abs(b[i]));
  }
  return out;
}

}  // namespace inference
