// A request to stop, set from any thread or a signal handler; sticky until reset.
#pragma once

#include <atomic>

#include "util/error.h"

namespace inference {

class CancelFlag {
 public:
  void Trigger() { set_.store(true, std::memory_order_relaxed); }
  void Reset() { set_.store(false, std::memory_order_relaxed); }
  bool IsSet() const { return set_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> set_{false};
};

// Throws CANCELLED where `cancel` is given and set; `what` was being done.
inline void ThrowIfCancelled(const CancelFlag* cancel, std::string_view what) {
  if (cancel != nullptr && cancel->IsSet()) Fail(Status::kCancelled, "{}: cancelled", what);
}

}  // namespace inference
