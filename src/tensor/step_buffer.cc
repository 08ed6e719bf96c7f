#include "tensor/step_buffer.h"

#include <vector>

#include "util/error.h"

namespace inference {

StepBuffer::StepBuffer(Device& device, int64_t max_tokens)
    : buffer_(device.Allocate((kStepTokens + static_cast<uint64_t>(max_tokens)) * sizeof(int32_t))),
      max_tokens_(max_tokens) {}

void StepBuffer::Set(Device& device, int64_t position, uint32_t draw,
                     std::span<const int32_t> tokens) {
  Require(static_cast<int64_t>(tokens.size()) <= max_tokens_, Status::kInternal,
          "step: {} tokens, at most {}", tokens.size(), max_tokens_);
  std::vector<int32_t> values(kStepTokens + tokens.size());
  values[0] = static_cast<int32_t>(position);
  values[1] = static_cast<int32_t>(draw);
  std::copy(tokens.begin(), tokens.end(), values.begin() + kStepTokens);
  device.Write(buffer_, 0, std::as_bytes(std::span(values)));
}

}  // namespace inference
