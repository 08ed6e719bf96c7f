// The tokens a model has seen in one conversation, with their keys and values. One caller at a
// time, but for what is marked "any thread".
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/metrics.h"
#include "engine/model.h"
#include "ops/sample.h"
#include "ops/score.h"

namespace inference {

// After an error in the methods that compute, the session holds what it held before.
class Session : private CommitListener {
 public:
  Session(std::shared_ptr<Model> model, int64_t capacity);  // 0 = the model's context length

  const Model& model() const { return *model_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }  // committed
  int64_t length() const { return length_.load(); }               // any thread
  int64_t capacity() const { return capacity_; }                  // any thread
  uint64_t kv_bytes() const { return kv_bytes_.load(); }          // any thread
  RequestMetrics metrics() const { return metrics_.Get(); }       // any thread
  void Count(const RequestMetrics& request);                      // any thread; the runtime's, too

  // What its steps from now on compute under; the base at first. Where that changes, nothing that
  // is held is of use any more: the session is reset. ARG for adapters of another model.
  void SetAdapters(AdapterSet adapters);
  const AdapterSet& adapters() const { return adapters_; }

  void Reset();
  // Keeps the longest possible common prefix of what is held and `ids` (a sliding window may have
  // forgotten too much: then nothing), or takes a longer one from the model's prefix cache; drops
  // the rest. Returns its length.
  int64_t KeepPrefix(std::span<const int32_t> ids);
  // The same where all that is held is the beginning of `ids`; a cache without more is no miss.
  int64_t TakeCached(std::span<const int32_t> ids);
  // Drops all but the first `length` tokens. ARG where it holds fewer, CONTEXT_FULL naming the
  // shortest length where a sliding window has forgotten what came before.
  void Truncate(int64_t length);
  // Another session that holds the same tokens, under the same adapters. Memory is shared until one
  // of them goes on.
  std::shared_ptr<Session> Fork() const;

  // Holds these tokens instead, with keys and values that were computed under its adapters. No
  // other session is given them by the prefix cache: they come from elsewhere.
  void Restore(std::vector<int32_t> ids, KvSequence sequence);

  void CheckIds(std::span<const int32_t> ids) const { model_->CheckIds(ids); }

  // Computes one chunk (1 to model().prefill_chunk() ids) and commits it. CONTEXT_FULL where it
  // does not fit, CANCELLED where `cancel` is set meanwhile: two slices of work may follow
  // (tensor/recording.cc), some 0.1 s on two cores.
  void Prefill(std::span<const int32_t> ids, const CancelFlag* cancel = nullptr);
  // The same, with the logits after every id: `out` is [n, vocab_size].
  void PrefillLogits(std::span<const int32_t> ids, std::span<float> out,
                     const CancelFlag* cancel = nullptr);
  // The same, with the log-probability of the token that follows each of the last targets.size()
  // ids, and the likeliest one: the logits stay on the device. NUMERIC where they are not numbers.
  std::vector<RowScore> PrefillScores(std::span<const int32_t> ids,
                                      std::span<const int32_t> targets,
                                      const CancelFlag* cancel = nullptr);
  // Most ids for one PrefillLogits: the logits are a temporary on the device.
  int64_t logits_chunk() const;
  // The same as Prefill, and samples what follows the last id as `row` says. The id it gives is not
  // committed; kNoToken where the logits are not numbers. `logits` [vocab_size], where it is not
  // empty, gets those it was sampled from, as the model gave them.
  int32_t PrefillAndSample(std::span<const int32_t> ids, const SampleRow& row,
                           const CancelFlag* cancel = nullptr, std::span<float> logits = {});

  // For steps of several sessions (Executor): before it, CONTEXT_FULL or ARG where `ids`, borrowed
  // until the step is done, cannot be next; and after it.
  void PrepareStep(std::span<const int32_t> ids);
  KvSequence& sequence() { return sequence_; }
  const KvSequence& sequence() const { return sequence_; }
  void Committed(std::span<const int32_t> ids);

 private:
  Session(std::shared_ptr<Model> model, int64_t capacity, KvSequence sequence);
  void CutTo(int64_t length);
  void Replace(std::vector<int32_t> ids, KvSequence sequence);
  bool Adopt(std::span<const int32_t> ids, int64_t held, bool is_counted);
  void OnCommit(const KvSequence& sequence) noexcept override;

  std::shared_ptr<Model> model_;
  const int64_t capacity_;
  KvSequence sequence_;
  std::vector<int32_t> tokens_;
  bool is_restored_ = false;
  std::span<const int32_t> pending_;  // ids of the step that runs
  AdapterSet adapters_;               // that they were computed under
  std::atomic<int64_t> length_{0};
  std::atomic<uint64_t> kv_bytes_{0};
  MetricsSum metrics_;
};

}  // namespace inference
