// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <string>

namespace inference::tools {

// Written beside its place and renamed by Commit; without it the destructor removes what was
// written. Throws ApiError (NOT_FOUND, IO).
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  void Write(const void* data, size_t size);
  void Commit();

 private:
  [[noreturn]] void Fail(const char* what) const;
  std::string path_, temporary_;
  int fd_ = -1;
};

}  // namespace inference::tools
