// What changes from step to step, in one small device buffer of int32 that kernels read:
//   [0] position of the first new token   [1] draws made so far (sampler's counter)
//   [kStepTokens + t] id of new token t
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "device/device.h"

namespace inference {

constexpr int32_t kStepTokens = 8;

class StepBuffer {
 public:
  StepBuffer(Device& device, int64_t max_tokens);
  // Submission thread only. Every id must be range-checked by the caller: kernels index with it.
  void Set(Device& device, int64_t position, uint32_t draw, std::span<const int32_t> tokens);
  const Buffer& buffer() const { return buffer_; }
  int64_t max_tokens() const { return max_tokens_; }

 private:
  Buffer buffer_;
  int64_t max_tokens_;
};

}  // namespace inference
