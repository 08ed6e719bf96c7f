#include <algorithm>
#include <array>
#include <chrono>

#include "device/device.h"

namespace inference {

int Device::SpinsPerMillisecond() {
  CheckThread("SpinsPerMillisecond");
  if (spins_per_ms_) return *spins_per_ms_;
  using Clock = std::chrono::steady_clock;
  constexpr int kSpins = 20000, kRuns = 3;
  const Buffer word = Allocate(2 * sizeof(uint32_t));
  FillZero(word, 0, word.size());
  Kernel kernel = GetKernel("spin", {"spin_pause", "spin"}, "-D GROUP=1");
  Clock::duration shortest = std::chrono::seconds(1);
  for (int run = 0; run <= kRuns; ++run) {
    kernel.SetArgs(word, run == 0 ? 1 : kSpins);  // the first launch may compile
    const Clock::time_point start = Clock::now();
    Enqueue(kernel, {1, 1});
    Finish();
    if (run > 0) shortest = std::min(shortest, Clock::now() - start);
  }
  const double ms = std::chrono::duration<double, std::milli>(shortest).count();
  spins_per_ms_ = static_cast<int>(std::clamp(kSpins / std::max(ms, 1e-3), 1e3, 1e6));
  return *spins_per_ms_;
}

}  // namespace inference
