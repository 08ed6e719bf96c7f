// The nodes of a recording as one launch: a kernel that stays resident and walks a table of phases,
// with a barrier after each (cl/resident.cl). On CPU devices a phase costs about a microsecond
// then, where a launch costs tens.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "device/device.h"
#include "tensor/resident_source.h"

namespace inference {

struct Phase {
  PhaseKernel kernel;
  int64_t parts = 1;
  std::vector<std::variant<Buffer, uint32_t>> arguments;  // scalars by their bits
};

// Submission thread only.
class ResidentLaunch {
 public:
  // The buffers that `phases` name must outlive it. `spins`: how many turns a group waits for the
  // others; by default some 3 ms, which is what a core is taken away for at a time.
  ResidentLaunch(Device& device, const std::vector<Phase>& phases, int spins);
  ResidentLaunch(Device& device, const std::vector<Phase>& phases);

  // Runs the phases and waits. Returns the first one that is left to do, which is their number
  // where all are done: fewer where the groups did not run side by side.
  size_t Run(Device& device);

 private:
  Kernel kernel_;
  Buffer table_, state_, report_;
  size_t phases_;
  int32_t launch_ = 0, spins_;
};

}  // namespace inference
