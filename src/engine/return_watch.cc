#include "engine/return_watch.h"

#include <algorithm>

namespace inference {

void ReturnWatch::HandedOut(const void* caller, bool was_prompt, Time now, Time until) {
  std::erase_if(away_, [&](const Away& away) { return away.until < now; });
  away_.push_back({caller, until, was_prompt});
}

bool ReturnWatch::Arrived(const void* caller, Time now) {
  const auto found = std::ranges::find(away_, caller, &Away::caller);
  if (found == away_.end()) return false;
  const bool is_prompt = now <= found->until;
  away_.erase(found);
  return is_prompt;
}

std::optional<ReturnWatch::Time> ReturnWatch::Expected(Time now) const {
  std::optional<Time> last;
  for (const Away& away : away_) {
    if (away.is_expected && away.until > now && (!last || away.until > *last)) last = away.until;
  }
  return last;
}

}  // namespace inference
