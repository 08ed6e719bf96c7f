// A dense float32 array on the device, row-major. Weights are PackedMatrix (tensor/packed.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/buffer.h"

namespace inference {

using Shape = std::vector<int64_t>;

struct Tensor {
  Buffer buffer;
  Shape shape;
  std::shared_ptr<void> lease;  // of a Recording's intermediate; empty for memory of its own

  explicit operator bool() const { return static_cast<bool>(buffer); }
  int64_t dim(size_t axis) const { return shape[axis]; }
};

}  // namespace inference
