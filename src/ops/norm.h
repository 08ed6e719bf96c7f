// Hidden states as callers get them: the values that a product of the same input would read.
#pragma once

#include "ops/matmul.h"

namespace inference {

// `a` of MatmulInput; without a norm_weight but with a delta, the sum it would norm. [T, D].
Tensor NormRows(Recording& recording, const MatmulInput& input);

}  // namespace inference
