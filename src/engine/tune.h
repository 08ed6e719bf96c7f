// Measures what may be chosen for a device without changing a bit of what it computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/device.h"
#include "tensor/recording.h"
#include "util/log.h"

namespace inference {

// The products that stand for all. A rule holds up to its own sizes, the last of each for all
// above.
struct TuneSizes {
  std::vector<int64_t> rows = {1024, 4096, 32768};
  std::vector<int64_t> tokens = {1, 4, 16, 64, 512};
  int64_t cols = 2048;                // a multiple of 32
  int runs = 7;                       // of each candidate, in turns; the median counts
  std::vector<MatmulChoice> besides;  // candidates besides the usual ones
};

// The best of the candidates for every size, in one process and in turns; one replaces the default
// only where it is at least 3% faster. CPU devices: parts a compute unit; others: the kernel of
// every product; of these, one that the driver cannot build or run is left out, and the log says
// so. The device's own tuning is as before, after an error, too. Any thread but the submission
// thread. Up to a few minutes.
Tuning Tune(const std::shared_ptr<Device>& device, KernelFamily family, const Logger& logger,
            const TuneSizes& sizes = {});

}  // namespace inference
