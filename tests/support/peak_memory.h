// How much memory a piece of a test takes at most.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>

namespace inference {

// By how much memory has grown at most since it was made; what was given back meanwhile counts.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream reset("/proc/self/clear_refs");
    reset << 5 << std::flush;  // the peak begins anew
    if (!reset) throw std::runtime_error("cannot reset the peak of memory");
    start_ = Peak();
  }
  // The kernel counts by processor and adds up late: the peak may be told below the start.
  uint64_t GrownKib() const { return std::max(Peak(), start_) - start_; }

 private:
  static uint64_t Peak() {
    std::ifstream status("/proc/self/status");
    for (std::string key; status >> key;) {
      uint64_t kib = 0;
      if (key == "VmHWM:" && status >> kib) return kib;
    }
    throw std::runtime_error("no VmHWM in /proc/self/status");
  }
  uint64_t start_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsTold = false;  // shadow memory and quarantine
#else
constexpr bool kMemoryIsTold = true;
#endif

}  // namespace inference
