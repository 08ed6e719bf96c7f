// A request to stop, set from any thread or a signal handler; sticky until reset.
#pragma once

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "util/error.h"

namespace inference {

class CancelFlag {
 public:
  CancelFlag() = default;
  // Set, too, where one of `others` is; they must outlive it.
  explicit CancelFlag(std::vector<const CancelFlag*> others) : others_(std::move(others)) {}

  void Trigger() { set_.store(true, std::memory_order_relaxed); }
  void Reset() { set_.store(false, std::memory_order_relaxed); }
  bool IsSet() const {
    return set_.load(std::memory_order_relaxed) ||
           std::ranges::any_of(others_, [](const CancelFlag* other) { return other->IsSet(); });
  }

 private:
  std::atomic<bool> set_{false};
  const std::vector<const CancelFlag*> others_{};
};

// Throws CANCELLED where `cancel` is given and set; `what` was being done.
inline void ThrowIfCancelled(const CancelFlag* cancel, std::string_view what) {
  if (cancel != nullptr && cancel->IsSet()) Fail(Status::kCancelled, "{}: cancelled", what);
}

}  // namespace inference
