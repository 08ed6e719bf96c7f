// The tokens a model has seen in one conversation, with their keys and values. One caller at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/model.h"
#include "ops/sample.h"

namespace inference {

struct SessionMetrics {
  uint64_t requests = 0, prompt_tokens = 0, generated_tokens = 0, prefill_ns = 0, decode_ns = 0;
};

class Session {
 public:
  Session(std::shared_ptr<Model> model, int64_t capacity);  // 0 = the model's context length
  ~Session();

  Model& model() const { return *model_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }  // committed
  int64_t length() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t capacity() const { return capacity_; }
  uint64_t kv_bytes() const;
  SessionMetrics& metrics() { return metrics_; }

  void Reset();
  // Keeps the longest possible common prefix of what is held and `ids` (a sliding window may have
  // forgotten too much: then nothing), drops the rest. Returns its length.
  int64_t KeepPrefix(std::span<const int32_t> ids);

  // Computes one chunk (at most model().prefill_chunk() ids, each checked against the vocabulary) and
  // commits it. CONTEXT_FULL where it does not fit; the session is unchanged after any error.
  void Prefill(std::span<const int32_t> ids);
  // The same, with the logits after every id: [n, vocab_size] appended to `out`.
  void PrefillLogits(std::span<const int32_t> ids, std::vector<float>& out);
  // The same, and samples what follows the last id. The id it gives is not committed; kNoToken where
  // the logits are not numbers. `draw` counts the samplings of this request.
  int32_t PrefillAndSample(std::span<const int32_t> ids, uint32_t draw);
  void ResetSampler(const SampleOptions& options);

 private:
  struct Impl;
  std::shared_ptr<Model> model_;
  int64_t capacity_;
  std::vector<int32_t> tokens_;
  SessionMetrics metrics_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace inference
