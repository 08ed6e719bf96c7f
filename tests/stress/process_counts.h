// What a process holds: OpenCL objects by the layer of this folder, threads and open files by
// /proc.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "stress/cl_counts.h"

namespace inference::stress {

// The OpenCL loader reads the variable when it is first called.
inline const bool kLayerIsSet = ::setenv("OPENCL_LAYERS", INFERENCE_CL_COUNTS, 1) == 0;

struct ProcessCounts {
  ClCounts cl = {};
  long threads = 0, files = 0;

  bool operator==(const ProcessCounts& other) const {
    return cl.contexts == other.cl.contexts && cl.queues == other.cl.queues &&
           cl.buffers == other.cl.buffers && cl.programs == other.cl.programs &&
           cl.kernels == other.cl.kernels && cl.events == other.cl.events &&
           threads == other.threads && files == other.files;
  }
};

inline std::ostream& operator<<(std::ostream& out, const ProcessCounts& counts) {
  return out << "contexts " << counts.cl.contexts << ", queues " << counts.cl.queues << ", buffers "
             << counts.cl.buffers << ", programs " << counts.cl.programs << ", kernels "
             << counts.cl.kernels << ", events " << counts.cl.events << ", threads "
             << counts.threads << ", files " << counts.files;
}

inline ProcessCounts CountProcess() {
  ProcessCounts out;
  void* layer = ::dlopen(INFERENCE_CL_COUNTS, RTLD_NOW);
  if (layer != nullptr) {
    if (auto* count = reinterpret_cast<decltype(&cl_counts)>(::dlsym(layer, "cl_counts"))) {
      count(&out.cl);
    }
    ::dlclose(layer);
  }
  namespace fs = std::filesystem;
  out.threads = std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
  out.files = std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  return out;
}

}  // namespace inference::stress
