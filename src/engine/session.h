// The tokens a model has seen in one conversation, with their keys and values. One caller at a
// time, but for what is marked "any thread".
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/model.h"
#include "ops/sample.h"
#include "ops/score.h"

namespace inference {

struct SessionMetrics {
  uint64_t requests = 0, prompt_tokens = 0, generated_tokens = 0, prefill_ns = 0, decode_ns = 0;
};

// After an error in the methods that compute, the session holds the tokens committed before, except
// where a sliding window has lost what it needs to go on from there: then it is empty.
class Session {
 public:
  Session(std::shared_ptr<Model> model, int64_t capacity);  // 0 = the model's context length
  ~Session();

  const Model& model() const { return *model_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }  // committed
  int64_t length() const { return length_.load(); }               // any thread
  int64_t capacity() const { return capacity_; }                  // any thread
  uint64_t kv_bytes() const { return kv_bytes_.load(); }          // any thread
  SessionMetrics metrics() const;                                 // any thread
  void Count(const SessionMetrics& more);                         // any thread

  void Reset();
  // Keeps the longest possible common prefix of what is held and `ids` (a sliding window may have
  // forgotten too much: then nothing), drops the rest. Returns its length.
  int64_t KeepPrefix(std::span<const int32_t> ids);

  // ARG naming the first id that is not in the vocabulary, and its index.
  void CheckIds(std::span<const int32_t> ids) const;

  // Computes one chunk (1 to model().prefill_chunk() ids) and commits it. CONTEXT_FULL where it
  // does not fit, CANCELLED where `cancel` is set meanwhile: some 0.05 s of work may follow on a
  // CPU.
  void Prefill(std::span<const int32_t> ids, const CancelFlag* cancel = nullptr);
  // The same, with the logits after every id: `out` is [n, vocab_size].
  void PrefillLogits(std::span<const int32_t> ids, std::span<float> out,
                     const CancelFlag* cancel = nullptr);
  // The same, with the log-probability of the token that follows each id, targets [n], and the
  // likeliest one: the logits stay on the device. NUMERIC where they are not numbers.
  std::vector<RowScore> PrefillScores(std::span<const int32_t> ids,
                                      std::span<const int32_t> targets,
                                      const CancelFlag* cancel = nullptr);
  // Most ids for one PrefillLogits or PrefillScores: the logits are a temporary on the device.
  int64_t logits_chunk() const;
  // The same as Prefill, and samples what follows the last id as `row` says. The id it gives is not
  // committed; kNoToken where the logits are not numbers. `logits` [vocab_size], where it is not
  // empty, gets those it was sampled from, as the model gave them.
  int32_t PrefillAndSample(std::span<const int32_t> ids, const SampleRow& row,
                           const CancelFlag* cancel = nullptr, std::span<float> logits = {});

 private:
  enum class Mode { kPrefill, kLogits, kScores, kSample };
  struct Step;
  struct Recorded;
  struct Impl;

  void Compute(const Step& step);
  void RunStep(const Step& step);  // submission thread
  Recorded& RecordedFor(int64_t T, Mode mode);
  void RecoverAfterError();

  std::shared_ptr<Model> model_;
  int64_t capacity_;
  std::vector<int32_t> tokens_;
  std::atomic<int64_t> length_{0};
  std::atomic<uint64_t> kv_bytes_{0};
  mutable std::mutex metrics_mutex_;
  SessionMetrics metrics_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace inference
