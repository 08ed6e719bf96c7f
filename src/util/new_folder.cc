#include "util/new_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "util/error.h"

namespace inference {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void FailErrno(Status status, const std::string& path, const char* what, int code) {
  throw Error(status, fmt::format("{}: {}: {}", path, what, std::strerror(code)), Domain::kErrno,
              code);
}

void SyncFolder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // it was there a moment ago
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0 && code != EINVAL) FailErrno(Status::kIo, path, "cannot fsync", code);
}

bool IsFree(const std::string& path) {
  std::error_code code;
  const fs::file_status status = fs::symlink_status(path, code);
  if (status.type() == fs::file_type::not_found) return true;
  return status.type() == fs::file_type::directory && fs::is_empty(path, code) && !code;
}

}  // namespace

NewFolder::NewFolder(const std::string& wanted) : wanted_(wanted) {
  while (wanted_.size() > 1 && wanted_.back() == '/') wanted_.pop_back();
  Require(IsFree(wanted_), Status::kState, "{}: exists, expected a new or an empty folder",
          wanted_);
  temporary_ = wanted_ + ".XXXXXX";
  if (::mkdtemp(temporary_.data()) == nullptr) {
    const int code = errno;
    FailErrno(code == ENOENT || code == ENOTDIR ? Status::kNotFound : Status::kIo, wanted_,
              "cannot create a folder beside it", code);
  }
  ::chmod(temporary_.c_str(), 0755);
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
  const std::string parent = fs::path(wanted_).parent_path().string();
  SyncFolder(parent.empty() ? "." : parent);
}

}  // namespace inference
