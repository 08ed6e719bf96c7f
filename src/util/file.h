// Files are read with pread, never mapped: a file that shrinks under us is an error, not a SIGBUS.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace inference {

// A folder whose files are opened by names that a checkpoint gives: one rule for all of them. A
// symbolic link must end inside the folder, and a file may have no other hard link, so that nothing
// outside is read. Where `allow_symlinks`, links of both kinds may lead anywhere.
struct Folder {
  Folder(std::string folder_path, bool allow = false)  // implicit: a path is a folder by the rule
      : path(std::move(folder_path)), allow_symlinks(allow) {}
  Folder(const char* folder_path) : Folder(std::string(folder_path)) {}

  // Whether `name` is taken, by whatever kind of file: a broken one must be an error, not skipped.
  bool Has(const std::string& name) const;

  // A folder in this one, by the same rule: its links may lead to wherever this one's may. Fails as
  // File::OpenIn.
  Folder Sub(const std::string& name) const;

  std::string path;
  bool allow_symlinks;
  std::string root;  // what links may not leave; "": path itself
};

// A regular file, open for reading. Safe to read from several threads.
class File {
 public:
  // Fails with NOT_FOUND, PATH (not a regular file) or IO, naming the path.
  static File Open(const std::string& path);

  // For names that input chose, or may have replaced: `name` is a plain file name in `folder`.
  // Fails with PATH where the folder's rule is broken.
  static File OpenIn(const Folder& folder, const std::string& name);

  // Fails where OpenIn would, with the same text, but opens nothing.
  static void CheckIn(const Folder& folder, const std::string& name);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  uint64_t size() const { return identity_.bytes; }  // bytes, when it was opened

  // Gives the descriptor back. Each ReadAt then opens the file for its own duration, and fails with
  // IO where another file has taken its place.
  void Park();

  // Fills `out` from `offset`; a short read fails with IO, naming path, offset and sizes.
  void ReadAt(uint64_t offset, std::span<std::byte> out) const;

 private:
  struct Identity {
    uint64_t bytes = 0, device = 0, inode = 0, links = 0;
  };

  File(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Identity Identify(int fd) const;  // PATH where it is not a regular file
  int Reopen() const;               // a new descriptor of a parked file

  std::string path_;
  int fd_ = -1;  // -1 while parked
  Identity identity_;
  std::string parked_path_;  // absolute: the working directory may change
};

// Whether `name` can only mean a file directly in a folder.
bool IsPlainFileName(std::string_view name);

// The whole file; fails with LIMIT where it is larger than `max_bytes`.
std::string ReadTextFile(const File& file, uint64_t max_bytes);
std::string ReadTextFile(const std::string& path, uint64_t max_bytes);

bool FileExists(const std::string& path);  // a regular file
// `path` from the root, as it is where the working directory cannot be told.
std::string AbsolutePath(const std::string& path);

bool IsDirectory(const std::string& path);

// Names of all that a folder holds, sorted. NOT_FOUND or IO.
std::vector<std::string> ListFolder(const std::string& path);

// Writes a temporary file in the same folder, fsyncs it, renames it to `path`, fsyncs the folder:
// after a crash either the old file or the new one is there, whole. Its permissions are 0644 less
// the umask.
void WriteFileAtomically(const std::string& path, std::span<const std::byte> content);

// The same for what `produce` gives piece by piece; where it throws nothing is left behind.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void WriteFileAtomically(const std::string& path,
                         const std::function<void(const ByteSink&)>& produce);

}  // namespace inference
