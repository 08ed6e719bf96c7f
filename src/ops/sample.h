// The next token from a row of logits, on the device; only the id crosses to the host.
#pragma once

#include "tensor/recording.h"
#include "tensor/step_buffer.h"

namespace inference {

// Order: repeat penalty, top-p, min-p, top-k, temperature, draw.
struct SampleOptions {
  float temperature = 0.0f;     // 0 = the largest logit, lowest id on a tie
  int32_t top_k = 0;            // 0 = off
  float top_p = 0.0f;           // off outside (0, 1): keeps tokens with a mass before them <= top_p
  float min_p = 0.0f;           // 0 = off: drops tokens below min_p times the likeliest
  float repeat_penalty = 1.0f;  // of ids sampled since Reset: positive logits / p, negative * p
  uint64_t seed = 0;            // Philox 4x32-10 (Salmon et al. 2011), counter = draw number
};

constexpr int32_t kNoToken = -1;  // what Sample gives where a logit is NaN or all are -inf

// Options, memory of sampled ids, scratch and result of one stream of tokens.
class Sampler {
 public:
  Sampler(Device& device, int64_t vocab_size);
  void Reset(Device& device, const SampleOptions& options);  // submission thread only
  // Appends the sampling of `logits` [1, V] (it may change them); draw number from `step`.
  void Record(Recording& recording, const Tensor& logits, const StepBuffer& step);
  int32_t Result(Device& device);  // of the last run; waits. Submission thread only

 private:
  int64_t vocab_size_;
  Buffer options_, seen_, scratch_, partial_, result_;
};

}  // namespace inference
