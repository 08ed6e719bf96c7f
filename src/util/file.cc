#include "util/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "util/error.h"

namespace inference {

namespace {

[[noreturn]] void FailErrno(Status status, const std::string& path, const char* what, int code) {
  throw Error(status, fmt::format("{}: {}: {}", path, what, std::strerror(code)), Domain::kErrno,
              code);
}

// Closes a descriptor on every way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

File File::Open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not hang; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int code = errno;
    FailErrno(code == ENOENT || code == ENOTDIR ? Status::kNotFound : Status::kIo, path,
              "cannot open", code);
  }
  File file(path, fd, 0);
  struct stat info {};
  if (::fstat(fd, &info) != 0) FailErrno(Status::kIo, path, "cannot stat", errno);
  Require(S_ISREG(info.st_mode), Status::kPath, "{}: is a {}, expected a regular file", path,
          S_ISDIR(info.st_mode) ? "directory" : "special file");
  file.size_ = static_cast<uint64_t>(info.st_size);
  return file;
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) FailErrno(Status::kIo, path_, "cannot read", errno);
    Require(n > 0, Status::kIo, "{}: ends at byte {}, expected {} bytes at {}", path_,
            offset + done, out.size(), offset);
    done += static_cast<size_t>(n);
  }
}

std::string ReadTextFile(const std::string& path, uint64_t max_bytes) {
  const File file = File::Open(path);
  Require(file.size() <= max_bytes, Status::kLimit, "{}: has {} bytes, at most {} are read", path,
          file.size(), max_bytes);
  std::string text(file.size(), '\0');
  file.ReadAt(0, std::as_writable_bytes(std::span(text)));
  return text;
}

bool FileExists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void WriteFileAtomically(const std::string& path, std::span<const std::byte> content) {
  std::string temporary = path + ".XXXXXX";
  Descriptor out{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (out.fd < 0) FailErrno(Status::kIo, path, "cannot create a temporary file beside it", errno);
  const auto give_up = [&](const char* what, int code) {
    ::unlink(temporary.c_str());
    FailErrno(Status::kIo, path, what, code);
  };
  for (size_t done = 0; done < content.size();) {
    const ssize_t n = ::write(out.fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) give_up("cannot write", errno);
    done += static_cast<size_t>(n);
  }
  if (::fchmod(out.fd, 0644) != 0) give_up("cannot set permissions", errno);
  if (::fsync(out.fd) != 0) give_up("cannot fsync", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("cannot rename into place", errno);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0 && ::fsync(directory.fd) != 0 && errno != EINVAL) {
    FailErrno(Status::kIo, folder, "cannot fsync", errno);
  }
}

}  // namespace inference
