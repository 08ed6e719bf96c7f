// What the device's memory gives: the yardstick for kernels that are bound by it.
#pragma once

#include <cstdint>

#include "device/device.h"

namespace inference {

// GB/s (1e9 bytes) of reading a buffer of `bytes` once, the best of several runs. Take far more
// bytes than the caches hold. The buffer is allocated for it and given back to the driver.
double MeasureReadBandwidth(Device& device, uint64_t bytes);

}  // namespace inference
