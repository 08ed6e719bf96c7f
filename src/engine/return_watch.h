// Callers in a loop come back as soon as they have a result. Where several do, it is worth waiting
// for them a moment: they then share a step again, instead of following each other for ever.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

namespace inference {

// Not for several threads at once.
class ReturnWatch {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  // `caller` has its result, and may be back until `until`; it is waited for where it `was_prompt`
  // after the result before this one. Callers are told apart by their address alone.
  void HandedOut(const void* caller, bool was_prompt, Time now, Time until);
  // Whether the caller is back in time after its last result.
  bool Arrived(const void* caller, Time now);
  // How long to wait for those who are expected; nothing where nobody is.
  std::optional<Time> Expected(Time now) const;

 private:
  struct Away {
    const void* caller;
    Time until;
    bool is_expected;
  };
  std::vector<Away> away_;
};

}  // namespace inference
