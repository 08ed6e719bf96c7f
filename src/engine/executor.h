// Steps of a network: the next tokens of one or several sequences in one pass. All that a step
// needs but the weights lives here, once for a model: pages of keys and values, recordings by
// shape, memory of intermediates.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "engine/step_call.h"
#include "engine/step_merger.h"
#include "nn/causal_lm.h"

namespace inference {

struct ExecutorOptions {
  int64_t max_length = 0;  // tokens of a sequence
  int64_t max_tokens = 0;  // of a step, of all rows
  std::vector<LayerCacheSpec> cache_specs;
  uint64_t kv_limit = 0;            // bytes of all pages; 0 = what the device's limit allows
  bool rounds_activations = false;  // see Recording::RoundActivations
  int64_t parallel_slots = 1;       // calls that share a step where they wait at the same time
};

// Any thread may call; steps run one after the other, and the caller waits. A step commits its ids
// to the sequences; where it throws (CANCELLED, OOM_DEVICE, DEVICE_LOST, ...) they hold what they
// held before. A sequence is in one step at a time.
class Executor {
 public:
  Executor(std::shared_ptr<Device> device, const CausalLm& network, ExecutorOptions options);
  ~Executor();

  const std::shared_ptr<KvCache>& cache() const { return cache_; }
  int64_t max_tokens() const { return options_.max_tokens; }
  // Most outputs of one call of Logits or Scores that one piece of logits holds.
  int64_t logits_rows() const;

  using Rows = std::span<const ExecutorRow>;
  void Prefill(Rows rows, const CancelFlag* cancel);
  // Logits after each output, in order: out [M, vocab_size].
  void Logits(Rows rows, std::span<float> out, const CancelFlag* cancel);
  // Log-probabilities of targets [M], the tokens that follow the outputs; the logits stay on the
  // device, in pieces.
  std::vector<RowScore> Scores(Rows rows, std::span<const int32_t> targets,
                               const CancelFlag* cancel);
  // How pairs of rows differ: rows[i], the base, and rows[i + n], of n pairs with the same ids and
  // outputs. Of each of their M outputs, in order, with the `top` tokens that moved most; targets
  // [M] as for Scores. The logits stay on the device, in pieces.
  std::vector<RowDivergence> Divergences(Rows rows, std::span<const int32_t> targets, int64_t top,
                                         const CancelFlag* cancel);
  // Samples after each output: samples [M]. kNoToken where logits are not numbers. logits: where
  // not empty, [M, vocab_size] of them as they were before sampling.
  std::vector<int32_t> Sample(Rows rows, std::span<const SampleRow> samples,
                              std::span<float> logits, const CancelFlag* cancel);

  // Hidden states after each output: out [M, hidden_size], of the first `layers` blocks (see
  // CausalLm::Hidden). The sequences hold keys and values of these blocks only: they are fit for
  // nothing but more of the same.
  void Hidden(Rows rows, int64_t layers, std::span<float> out, const CancelFlag* cancel);

  void DropRecordings();                // and what memory they use
  void Trim();                          // that, and pages that no sequence has
  void Forget(const Adapter& adapter);  // recordings that use it; any thread but a step's own
  StepCounts counts() const { return merger_.counts(); }

 private:
  using Mode = StepMode;
  using Call = StepCall;
  struct Form {  // what is computed of a step
    Mode mode = Mode::kPrefill;
    int64_t layers = 0, top = 0;
    bool operator==(const Form&) const = default;
  };
  struct Recorded;

  void Compute(const Call& call);  // submission thread, as what follows
  void RunStep(const Call& call);
  using Adapters = std::vector<const Adapter*>;
  bool ReserveCoefs(int64_t adapters);  // true where the buffer moved
  void SetCoefs(Rows rows, const Adapters& adapters, int64_t T);
  Recorded& RecordedFor(const StepShape& shape, const Form& form, const Adapters& adapters);
  std::unique_ptr<Recorded> Record(const StepShape& shape, const Form& form,
                                   const Adapters& adapters);
  void RecordOutputs(Recorded& recorded, const Step& step, const ResidualStream& stream);
  void RecordDivergences(Recorded& recorded, const Step& step, const ResidualStream& stream);
  void Read(const Call& call, const Recorded& recorded);

  const std::shared_ptr<Device> device_;
  const CausalLm& network_;
  const ExecutorOptions options_;
  const std::shared_ptr<KvCache> cache_;
  std::shared_ptr<TempArena> arena_;
  StepBuffer step_;
  Sampler sampler_;
  Buffer targets_;
  Buffer coefs_;  // [adapters, T]: scales, 0 where a row does without
  std::list<std::unique_ptr<Recorded>> recorded_;  // the last used first
  uint64_t recorded_version_ = 0;                  // of the cache, that they name
  StepMerger merger_;                              // goes first
};

}  // namespace inference
