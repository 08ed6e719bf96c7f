// Little-endian values read one after another through a buffer. Used inside src/formats only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "util/file.h"

namespace inference {

// Every read is checked against what is left of the file before anything is allocated: FORMAT with
// file, field, bytes wanted and left. LIMIT past `max_position`. `what` names the field.
class FileReader {
 public:
  FileReader(const File& file, uint64_t max_position);

  const File& file() const { return file_; }
  const std::string& path() const { return file_.path(); }
  uint64_t position() const { return buffer_start_ + at_; }
  uint64_t remaining() const { return file_.size() - position(); }

  // `count` items of `bytes` each must be left; `count` may be anything.
  void Expect(uint64_t count, uint64_t bytes, std::string_view what) const;

  template <typename T>
  T Read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    if (buffer_.size() - at_ < sizeof(T)) Refill(sizeof(T), what);
    T value;
    std::memcpy(&value, buffer_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string ReadString(std::string_view what);  // 64-bit length, then bytes

 private:
  // Drops what was read and buffers at least `bytes` more.
  void Refill(uint64_t bytes, std::string_view what);

  const File& file_;
  uint64_t max_position_;
  std::vector<char> buffer_;
  uint64_t buffer_start_ = 0;  // where in the file the buffer begins
  size_t at_ = 0;              // in the buffer
};

}  // namespace inference
