// What each launch moves and computes, and how long it took.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "device/opencl.h"

namespace inference {

// Of one launch, by the definition of its op: each byte that it has to touch counts once, whatever
// caches do; the operations are those of the formula, a multiplication and an addition are two.
struct Work {
  std::string what = {};      // "Q4_1 1536x576": tells launches of one kernel apart
  uint64_t weight_bytes = 0;  // read, of packed weights
  uint64_t read_bytes = 0;    // read, of everything else
  uint64_t written_bytes = 0;
  uint64_t flops = 0;
};

// All launches of one kernel with the same `work.what`, added up.
struct KernelTime {
  std::string kernel;
  Work work;
  uint64_t launches = 0;
  uint64_t ns = 0;  // from the start to the end of each, by the driver's clock
};

// Submission thread only.
class Profile {
 public:
  void Add(const std::string& kernel, const Work& work, ClEvent event);
  std::vector<KernelTime> Times();  // of all launches so far, which are complete; the longest first
  void Leak();                      // for a driver that may not be called any more

 private:
  void Settle();

  std::map<std::pair<std::string, std::string>, KernelTime> times_;  // by kernel and work.what
  std::vector<std::pair<KernelTime*, ClEvent>> pending_;
};

}  // namespace inference
