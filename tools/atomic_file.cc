#include "atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "api.h"

namespace inference::tools {

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(fmt::format("{}.tmp{}", path_, getpid())) {
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) Fail("cannot create");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void AtomicFile::Write(const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(fd_, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail("cannot write");
    at += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::Commit() {
  if (fsync(fd_) != 0) Fail("cannot write");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail("cannot replace");
  close(std::exchange(fd_, -1));
}

void AtomicFile::Fail(const char* what) const {
  throw ApiError(errno == ENOENT ? INF_E_NOT_FOUND : INF_E_IO,
                 fmt::format("{}: {}: {}", path_, what, std::strerror(errno)));
}

}  // namespace inference::tools
