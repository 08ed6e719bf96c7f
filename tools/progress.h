// A progress bar on stderr, for work that takes long enough to be noticed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "terminal.h"

namespace inference::tools {

// Draws nothing when stderr is not a terminal, or within the first moments. The destructor clears
// it.
class Progress {
 public:
  explicit Progress(std::string label);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { Clear(); }
  void Update(uint64_t step, uint64_t total);  // total 0 = not known
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  bool enabled_;
  bool drawn_ = false;
  Clock::time_point next_draw_;
  Colors colors_;
};

}  // namespace inference::tools
