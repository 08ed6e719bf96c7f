// Files are read with pread, never mapped: a file that shrinks under us is an error, not a SIGBUS.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace inference {

// A regular file, open for reading. Safe to read from several threads.
class File {
 public:
  // Fails with NOT_FOUND, PATH (not a regular file) or IO, naming the path.
  static File Open(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // bytes, when it was opened

  // Fills `out` from `offset`; a short read fails with IO, naming path, offset and sizes.
  void ReadAt(uint64_t offset, std::span<std::byte> out) const;

 private:
  File(std::string path, int fd, uint64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// The whole file; fails with LIMIT where it is larger than `max_bytes`.
std::string ReadTextFile(const std::string& path, uint64_t max_bytes);

bool FileExists(const std::string& path);  // a regular file
bool IsDirectory(const std::string& path);

// Writes a temporary file in the same folder, fsyncs it, renames it to `path`, fsyncs the folder:
// after a crash either the old file or the new one is there, whole.
void WriteFileAtomically(const std::string& path, std::span<const std::byte> content);

}  // namespace inference
