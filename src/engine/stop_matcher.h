// Stop strings in text that arrives in pieces. They may span pieces: text that could be the
// beginning of one is held back until it turns out not to be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inference {

// The stop string that is complete first counts, of several the longest, however the text is cut
// into pieces; text before it is given, nothing of it or after it. Pieces of whole code points give
// whole code points.
class StopMatcher {
 public:
  // ARG, naming the string, for one that is empty or not UTF-8.
  explicit StopMatcher(const std::vector<std::string>& stops);

  std::string Push(std::string_view text);                // what may be given now
  std::string Flush();                                    // the text has ended: what was held back
  std::optional<size_t> found() const { return found_; }  // index of the stop string

 private:
  // Knuth, Morris & Pratt 1977: how much of the string the text ends with, and what to fall back
  // to.
  struct Stop {
    std::string text;
    std::vector<size_t> shorter;  // [i]: longest proper prefix of text[0, i] that also ends it
    size_t matched = 0;
  };
  static size_t Extend(const Stop& stop, size_t matched, char next);

  std::vector<Stop> stops_;
  std::string held_;  // ends with the longest match so far, and is no longer than it
  std::optional<size_t> found_;
};

}  // namespace inference
