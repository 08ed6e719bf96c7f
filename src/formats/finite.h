// Whether the values of a checkpoint are numbers.
#pragma once

#include "formats/tensor_set.h"
#include "util/cancel.h"

namespace inference {

// Reads every floating-point tensor; NUMERIC names file, tensor and index of the first value that
// is not finite. Block-quantised types hold only codes and scales: their loader checks the scales.
// `cancel` (may be null) is looked at between reads.
void CheckFinite(const TensorSet& tensors, const CancelFlag* cancel);

}  // namespace inference
