// Element types of tensors, plain and block-quantised, as checkpoints store them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace inference {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  // ggml blocks of 32 along the last axis
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kIQ4_NL,
  kMXFP4,
  // ggml super-blocks of 256
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_XS,
  // not read as weights
  kF64,
  kI8,
  kU8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64,
  kBool,
};

struct DTypeInfo {
  std::string_view name;
  uint32_t block_elements;  // 1 for plain types
  uint32_t block_bytes;
};

const DTypeInfo& InfoOf(DType dtype);

// Bytes of `elements` elements; nothing where they do not fill whole blocks or the product
// overflows.
std::optional<uint64_t> BytesOf(DType dtype, uint64_t elements);

}  // namespace inference
