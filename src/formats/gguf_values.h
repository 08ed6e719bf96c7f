// The values of GGUF metadata. Used inside src/formats only.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/file_reader.h"
#include "formats/gguf.h"

namespace inference {

// Numbers that GGUF gives to the types of metadata values.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

// A real vocabulary of 256k tokens has about a million elements with its scores, types and merges.
constexpr uint64_t kMaxGgufArrayElements = 1 << 23;

// Reads a value of `type`; arrays take what they hold from `elements_left`, LIMIT past that.
// `what` names the key, for messages.
GgufMetadata::Value ReadGgufValue(FileReader& in, GgufType type, std::string_view what,
                                  uint64_t* elements_left);

}  // namespace inference
