// What the device's arithmetic gives: the yardstick for kernels that are bound by it.
#pragma once

#include "device/device.h"

namespace inference {

// GFLOP/s (1e9 operations, a multiplication and an addition are two) of float32 products of small
// matrices that stay in the nearest cache, the best of several runs.
double MeasureGemmRate(Device& device);

}  // namespace inference
