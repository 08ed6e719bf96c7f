#include "util/new_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "util/create_beside.h"
#include "util/error.h"

namespace inference {

namespace {

namespace fs = std::filesystem;

void SyncFolder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // it was there a moment ago
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0 && code != EINVAL) FailErrno(Status::kIo, path, "cannot fsync", code);
}

std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Fails where the rename at the end would.
void RequireFree(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  Require(name != "." && name != "..", Status::kArg,
          "{}: ends in '{}', expected the name of a new or an empty folder", path, name);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    FailErrno(Status::kIo, path, "cannot stat", errno);
  }
  bool is_free = S_ISDIR(info.st_mode);
  if (is_free) {
    std::error_code code;
    is_free = fs::is_empty(path, code);
    if (code) FailErrno(Status::kIo, path, "cannot list", code.value());
  }
  Require(is_free, Status::kState, "{}: exists, expected a new or an empty folder", path);
  struct stat parent {};
  if (::stat(ParentOf(path).c_str(), &parent) != 0) {
    FailErrno(Status::kIo, ParentOf(path), "cannot stat", errno);
  }
  Require(parent.st_dev == info.st_dev, Status::kState,
          "{}: is a mount point, expected a new or an empty folder, such as one in it", path);
}

}  // namespace

NewFolder::NewFolder(const std::string& wanted) : wanted_(wanted) {
  while (wanted_.size() > 1 && wanted_.back() == '/') wanted_.pop_back();
  RequireFree(wanted_);
  int made = -1;
  temporary_ = CreateBeside(wanted_, [&](const char* name) { return made = ::mkdir(name, 0755); });
  if (made != 0) {
    const int code = errno;
    FailErrno(code == ENOENT || code == ENOTDIR ? Status::kNotFound : Status::kIo, wanted_,
              "cannot create a folder beside it", code);
  }
}

NewFolder::~NewFolder() {
  std::error_code code;
  if (!committed_) fs::remove_all(temporary_, code);
}

void NewFolder::Commit() {
  SyncFolder(temporary_);
  // Takes the place of an empty folder, and of nothing else.
  if (std::rename(temporary_.c_str(), wanted_.c_str()) != 0) {
    FailErrno(Status::kIo, wanted_, "cannot rename into place", errno);
  }
  committed_ = true;
  SyncFolder(ParentOf(wanted_));
}

}  // namespace inference
