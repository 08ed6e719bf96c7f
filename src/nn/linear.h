// Linear layers over prepared inputs.
#pragma once

#include <vector>

#include "ops/matmul.h"

namespace inference {

// y = x W^T, + residual where given.  W: [O, I]; x: [T, I]; residual, result: [T, O].
Tensor Linear(Recording& recording, const PreparedInput& x, const PackedMatrix& W,
              const Tensor& residual = {});

// The outputs of several matrices side by side, [T, sum of O].
Tensor StackedLinear(Recording& recording, const PreparedInput& x,
                     const std::vector<PackedMatrix>& parts);

}  // namespace inference
