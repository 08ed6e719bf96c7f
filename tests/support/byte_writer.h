// Builds little-endian binary files for tests, byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace inference {

// Appends little-endian values.
class ByteWriter {
 public:
  template <typename T>
  ByteWriter& Put(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
    return *this;
  }
  ByteWriter& Raw(std::string_view text) {
    bytes_.append(text);
    return *this;
  }
  ByteWriter& String(std::string_view text) { return Put<uint64_t>(text.size()).Raw(text); }
  ByteWriter& Align(uint64_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace inference
