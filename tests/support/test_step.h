// Steps for tests of ops: one row, or rows over pages of a cache.
#pragma once

#include "support/test_device.h"
#include "tensor/step_buffer.h"

namespace inference {

// Writes the rows and returns the step that ops are recorded with. Submission thread only.
inline Step SetStep(StepBuffer& buffer, std::span<const StepRow> rows) {
  buffer.Reserve(*TestDevice(), rows);
  buffer.Set(*TestDevice(), rows);
  return buffer.step(ShapeOf(rows));
}

// One row without a cache.
inline Step SetStep(StepBuffer& buffer, std::span<const int32_t> ids, int64_t position = 0) {
  const StepRow row{.position = position, .ids = ids};
  return SetStep(buffer, {&row, 1});
}

}  // namespace inference
