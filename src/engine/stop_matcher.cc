#include "engine/stop_matcher.h"

#include <algorithm>

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const std::string& text : stops) {
    Require(!text.empty(), Status::kArg, "stop: is empty");
    Require(IsValidUtf8(text), Status::kArg, "stop: {} is not UTF-8", Quote(text));
    Stop stop{text, std::vector<size_t>(text.size(), 0)};
    for (size_t i = 1; i < text.size(); ++i) {
      stop.shorter[i] = Extend(stop, stop.shorter[i - 1], text[i]);
    }
    stops_.push_back(std::move(stop));
  }
}

size_t StopMatcher::Extend(const Stop& stop, size_t matched, char next) {
  while (matched > 0 && stop.text[matched] != next) matched = stop.shorter[matched - 1];
  return stop.text[matched] == next ? matched + 1 : 0;
}

std::string StopMatcher::Push(std::string_view text) {
  std::string out;
  if (found_) return out;
  if (stops_.empty()) return std::string(text);
  for (const char next : text) {
    held_ += next;
    size_t longest = 0;
    for (size_t i = 0; i < stops_.size(); ++i) {
      Stop& stop = stops_[i];
      stop.matched = Extend(stop, stop.matched, next);
      longest = std::max(longest, stop.matched);
      if (stop.matched < stop.text.size()) continue;
      if (!found_ || stop.text.size() > stops_[*found_].text.size()) found_ = i;
    }
    if (found_) {
      out.append(held_, 0, held_.size() - stops_[*found_].text.size());
      held_.clear();
      return out;
    }
    out.append(held_, 0, held_.size() - longest);
    held_.erase(0, held_.size() - longest);
  }
  return out;
}

std::string StopMatcher::Flush() {
  for (Stop& stop : stops_) stop.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace inference
