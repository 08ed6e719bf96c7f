#include "util/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "util/create_beside.h"
#include "util/error.h"

namespace inference {

namespace {

// O_NONBLOCK: opening a FIFO must not hang; Identify refuses it.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

[[noreturn]] void FailOpen(const std::string& path, int code) {
  Status status = Status::kIo;
  if (code == ENOENT || code == ENOTDIR) status = Status::kNotFound;
  if (code == ELOOP) status = Status::kPath;
  FailErrno(status, path, "cannot open", code);
}

// Closes a descriptor on every way out; -1 is none.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// `path` with every link resolved; `shown` is the name for messages.
std::string RealPath(const std::string& path, const std::string& shown) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) FailOpen(shown, errno);
  return resolved;
}

// A name in a folder after its links were followed, by the folder's rule.
struct Target {
  std::string path;    // for messages
  std::string root;    // ends in '/'; what lies below it may be read
  std::string within;  // the file's path below it
};

Target Resolve(const Folder& folder, const std::string& name, const char* what = "file") {
  Require(IsPlainFileName(name), Status::kPath, "{}: {} is not a plain file name", folder.path,
          Quote(name));
  const std::string path = folder.path + "/" + name;
  const std::string base = RealPath(folder.path, folder.path);
  const std::string target = RealPath(base + "/" + name, path);
  const std::string top = folder.root.empty() ? base : RealPath(folder.root, folder.root);
  const std::string root = folder.allow_symlinks || top == "/" ? "/" : top + "/";
  Require(target.starts_with(root), Status::kPath,
          "{}: links to {}, expected a {} inside its folder (or option allow_symlinks)", path,
          Quote(target), what);
  return {path, root, target.substr(root.size())};
}

void RequireRegular(const struct stat& info, const std::string& path) {
  Require(S_ISREG(info.st_mode), Status::kPath, "{}: is a {}, expected a regular file", path,
          S_ISDIR(info.st_mode) ? "directory" : "special file");
}

void RequireOneLink(const Folder& folder, uint64_t links, const std::string& path) {
  Require(folder.allow_symlinks || links <= 1, Status::kPath,
          "{}: has {} hard links, expected 1 (or option allow_symlinks)", path, links);
}

// Opens `relative` below `root` one component at a time and follows no link: one that was put there
// after the path was resolved is refused. -1 and errno where it fails.
int OpenWithoutLinks(const std::string& root, const std::string& relative) {
  constexpr int kFolderFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Descriptor folder{::open(root.c_str(), kFolderFlags)};
  for (size_t begin = 0; folder.fd >= 0;) {
    const size_t end = relative.find('/', begin);
    const std::string component = relative.substr(begin, end - begin);
    if (end == std::string::npos) {
      return ::openat(folder.fd, component.c_str(), kReadFlags | O_NOFOLLOW);
    }
    const int next = ::openat(folder.fd, component.c_str(), kFolderFlags);
    ::close(std::exchange(folder.fd, next));
    begin = end + 1;
  }
  return -1;
}

}  // namespace

File File::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), kReadFlags);
  if (fd < 0) FailOpen(path, errno);
  File file(path, fd);
  file.identity_ = file.Identify(fd);
  return file;
}

File File::OpenIn(const Folder& folder, const std::string& name) {
  const Target target = Resolve(folder, name);
  const int fd = OpenWithoutLinks(target.root, target.within);
  if (fd < 0) FailOpen(target.path, errno);
  File file(target.path, fd);
  file.identity_ = file.Identify(fd);
  RequireOneLink(folder, file.identity_.links, target.path);
  return file;
}

void File::CheckIn(const Folder& folder, const std::string& name) {
  const Target target = Resolve(folder, name);
  const std::string resolved = target.root + target.within;
  struct stat info {};
  if (::lstat(resolved.c_str(), &info) != 0 ||
      ::faccessat(AT_FDCWD, resolved.c_str(), R_OK, AT_EACCESS) != 0) {
    FailOpen(target.path, errno);
  }
  RequireRegular(info, target.path);
  RequireOneLink(folder, info.st_nlink, target.path);
}

Folder Folder::Sub(const std::string& name) const {
  Folder sub(Resolve(*this, name, "folder").path, allow_symlinks);
  sub.root = root.empty() ? path : root;
  return sub;
}

bool Folder::Has(const std::string& name) const {
  struct stat info {};
  return ::lstat((path + "/" + name).c_str(), &info) == 0;
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      identity_(other.identity_),
      parked_path_(std::move(other.parked_path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(identity_, other.identity_);
  std::swap(parked_path_, other.parked_path_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::Identity File::Identify(int fd) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0) FailErrno(Status::kIo, path_, "cannot stat", errno);
  RequireRegular(info, path_);
  return {static_cast<uint64_t>(info.st_size), info.st_dev, info.st_ino, info.st_nlink};
}

void File::Park() {
  if (fd_ < 0) return;
  parked_path_ = RealPath(path_, path_);
  ::close(std::exchange(fd_, -1));
}

int File::Reopen() const {
  Descriptor again{::open(parked_path_.c_str(), kReadFlags)};
  if (again.fd < 0) FailOpen(path_, errno);
  const Identity now = Identify(again.fd);
  Require(now.device == identity_.device && now.inode == identity_.inode, Status::kIo,
          "{}: another file has taken its place since it was opened", path_);
  return std::exchange(again.fd, -1);
}

void File::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  const Descriptor reopened{fd_ < 0 ? Reopen() : -1};
  const int fd = fd_ < 0 ? reopened.fd : fd_;
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) FailErrno(Status::kIo, path_, "cannot read", errno);
    Require(n > 0, Status::kIo, "{}: ends at byte {}, expected {} bytes at {}", path_,
            offset + done, out.size(), offset);
    done += static_cast<size_t>(n);
  }
}

bool IsPlainFileName(std::string_view name) {
  constexpr std::string_view kForbidden("/\\\0", 3);
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

std::string ReadTextFile(const File& file, uint64_t max_bytes) {
  Require(file.size() <= max_bytes, Status::kLimit, "{}: has {} bytes, at most {} are read",
          file.path(), file.size(), max_bytes);
  std::string text(file.size(), '\0');
  file.ReadAt(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string ReadTextFile(const std::string& path, uint64_t max_bytes) {
  return ReadTextFile(File::Open(path), max_bytes);
}

bool FileExists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string AbsolutePath(const std::string& path) {
  std::error_code code;
  const std::filesystem::path absolute = std::filesystem::absolute(path, code);
  return code ? path : absolute.string();
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::vector<std::string> ListFolder(const std::string& path) {
  std::vector<std::string> names;
  std::error_code code;
  for (std::filesystem::directory_iterator at(path, code), end; !code && at != end;
       at.increment(code)) {
    names.push_back(at->path().filename().string());
  }
  const Status status =
      code == std::errc::no_such_file_or_directory ? Status::kNotFound : Status::kIo;
  Require(!code, status, "{}: cannot list: {}", path, code.message());
  std::ranges::sort(names);
  return names;
}

void WriteFileAtomically(const std::string& path,
                         const std::function<void(const ByteSink&)>& produce) {
  Descriptor out{-1};
  const std::string temporary = CreateBeside(path, [&](const char* name) {
    return out.fd = ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  });
  if (out.fd < 0) FailErrno(Status::kIo, path, "cannot create a temporary file beside it", errno);
  try {
    produce([&](std::span<const std::byte> bytes) {
      while (!bytes.empty()) {
        const ssize_t n = ::write(out.fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) FailErrno(Status::kIo, path, "cannot write", errno);
        bytes = bytes.subspan(static_cast<size_t>(n));
      }
    });
    if (::fsync(out.fd) != 0) FailErrno(Status::kIo, path, "cannot fsync", errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      FailErrno(Status::kIo, path, "cannot rename into place", errno);
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0 && ::fsync(directory.fd) != 0 && errno != EINVAL) {
    FailErrno(Status::kIo, folder, "cannot fsync", errno);
  }
}

void WriteFileAtomically(const std::string& path, std::span<const std::byte> content) {
  WriteFileAtomically(path, [&](const ByteSink& sink) { sink(content); });
}

}  // namespace inference
