// Writes safetensors files for tests, from a header as text: valid or not.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace inference {

inline std::string SafetensorsFile(std::string_view header, std::string_view data = {}) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file.append(header).append(data);
}

}  // namespace inference
