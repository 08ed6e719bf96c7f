#include "device/exit_guard.h"

#include <atomic>
#include <cstdlib>

namespace inference {

namespace {

std::atomic<bool> exiting{false};

}  // namespace

void WatchExit() {
  // Where there is no room for another handler an earlier one serves.
  static_cast<void>(std::atexit([] { exiting.store(true, std::memory_order_relaxed); }));
}

bool ProcessIsExiting() { return exiting.load(std::memory_order_relaxed); }

}  // namespace inference
