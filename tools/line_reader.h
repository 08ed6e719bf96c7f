// Lines of a file descriptor, with Ctrl-C as an outcome of its own.
#pragma once

#include <string>

#include "interrupt.h"

namespace inference::tools {

class LineReader {
 public:
  enum class Outcome { kLine, kEnd, kInterrupted };
  LineReader(int fd, Interrupt& interrupt) : fd_(fd), interrupt_(interrupt) {}
  // Fills line(). An interrupt drops what was typed so far and is forgotten. Throws ApiError (IO).
  Outcome Next();
  const std::string& line() const { return line_; }  // without its end

 private:
  Outcome Take(size_t size, size_t end_size);
  int fd_;
  Interrupt& interrupt_;
  std::string pending_, line_;
  bool at_end_ = false;
};

}  // namespace inference::tools
