#include "line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace inference::tools {

LineReader::Outcome LineReader::Next() {
  while (true) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos) return Take(end, 1);
    if (at_end_) return pending_.empty() ? Outcome::kEnd : Take(pending_.size(), 0);
    if (!interrupt_.WaitReadable(fd_)) {
      interrupt_.Reset();
      pending_.clear();
      return Outcome::kInterrupted;
    }
    char block[4096];
    const ssize_t n = read(fd_, block, sizeof(block));
    if (n < 0 && errno != EINTR) {
      throw ApiError(INF_E_IO, std::string("standard input: cannot read: ") + std::strerror(errno));
    }
    if (n > 0) pending_.append(block, static_cast<size_t>(n));
    at_end_ = n == 0;
  }
}

LineReader::Outcome LineReader::Take(size_t size, size_t end_size) {
  line_ = pending_.substr(0, size);
  pending_.erase(0, size + end_size);
  if (line_.ends_with('\r')) line_.pop_back();
  return Outcome::kLine;
}

}  // namespace inference::tools
