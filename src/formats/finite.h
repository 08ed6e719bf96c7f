// Whether the values of a checkpoint are numbers.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "formats/tensor_set.h"
#include "util/cancel.h"
#include "util/dtype.h"

namespace inference {

// Index of the first value in `data` that is infinite or NaN. Types other than F16, BF16, F32 and
// F64 have none.
std::optional<size_t> FindNotFinite(DType dtype, std::span<const std::byte> data);

// Reads every floating-point tensor; NUMERIC names file, tensor and index of the first value that
// is not finite. Block-quantised types hold only codes and scales: their loader checks the scales.
// `cancel` (may be null) is looked at between reads.
void CheckFinite(const TensorSet& tensors, const CancelFlag* cancel);

}  // namespace inference
