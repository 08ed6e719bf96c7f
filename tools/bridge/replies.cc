#include "bridge/replies.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "api.h"

namespace inference::tools {

Replies::Replies() : fd_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) {
  if (fd_ < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    throw ApiError(INF_E_IO, fmt::format("standard output: {}", std::strerror(errno)));
  }
}

Replies::~Replies() { close(fd_); }

void Replies::Send(const Json& object) const {
  const std::string line = Dump(object) + '\n';
  if (line.size() > kMaxLine) {
    throw ApiError(INF_E_LIMIT, fmt::format("the answer: is a line of {} bytes, want at most {}",
                                            line.size(), kMaxLine));
  }
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw RepliesClosed(fmt::format("standard output: cannot write: {}", std::strerror(errno)));
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

void Replies::SendError(std::string text) const {
  constexpr size_t kMaxText = 4000;
  if (text.size() > kMaxText) {
    size_t end = kMaxText;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a code point
    text = text.substr(0, end) + " ...";
  }
  Send({{"error", text}});
}

}  // namespace inference::tools
