// A folder that appears under its name only when it is complete.
#pragma once

#include <string>

namespace inference {

// Files are written into path(), a new folder beside the wanted one, and each must be synced;
// Commit gives it its name. Without that the destructor removes it with all that it holds.
// Permissions are 0755 less the umask.
class NewFolder {
 public:
  // ARG where `wanted` ends in "." or "..", STATE where it exists and is no empty folder or is a
  // mount point, NOT_FOUND where its parent does not exist, IO.
  explicit NewFolder(const std::string& wanted);
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder();

  const std::string& path() const { return temporary_; }
  void Commit();

 private:
  std::string wanted_, temporary_;
  bool committed_ = false;
};

}  // namespace inference
