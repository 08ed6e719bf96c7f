// What flows from block to block.
#pragma once

#include "tensor/tensor.h"

namespace inference {

// The residual stream x + Norm(delta), whose sum the next norm makes; without a delta it is x.
struct ResidualStream {
  Tensor x;           // [T, D]
  Tensor delta;       // [T, D]
  Tensor delta_norm;  // [D]
};

}  // namespace inference
