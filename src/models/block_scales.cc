#include "models/block_scales.h"

#include <cstring>

#include "util/error.h"

namespace inference {

namespace {

// Where the scales of a block are (ggml-common.h): `count` of them from byte `offset` on.
struct Scales {
  uint32_t offset, count;
  DType dtype = DType::kF16;
};

Scales ScalesOf(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return {0, 1};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kMXFP4:
      return {0, 1, DType::kU8};
    case DType::kQ2_K:
      return {80, 2};
    case DType::kQ3_K:
      return {108, 1};
    case DType::kQ6_K:
      return {208, 1};
    default:
      return {0, 0};
  }
}

// The bits of a scale where it is infinite or NaN: all bits of its exponent are set.
struct Exponent {
  uint32_t mask;
  const char* expected;
};

Exponent ExponentOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return {0x7C00, "a finite float16"};
    case DType::kBF16:
      return {0x7F80, "a finite bfloat16"};
    case DType::kF32:
      return {0x7F800000, "a finite float32"};
    default:
      return {0xFF, "an exponent below 255"};
  }
}

bool IsFinite(const std::byte* at, size_t size, uint32_t mask, uint32_t* bits) {
  *bits = 0;
  std::memcpy(bits, at, size);
  return (*bits & mask) != mask;
}

}  // namespace

void CheckScales(DType dtype, std::span<const std::byte> scales,
                 const std::function<std::string(uint64_t index)>& where) {
  const size_t size = InfoOf(dtype).block_bytes;
  const Exponent exponent = ExponentOf(dtype);
  for (size_t at = 0; at < scales.size(); at += size) {
    uint32_t bits;
    if (IsFinite(&scales[at], size, exponent.mask, &bits)) continue;
    Fail(Status::kNumeric, "{}: a scale or bias is 0x{:0{}x}, expected {}", where(at / size), bits,
         2 * size, exponent.expected);
  }
}

void CheckBlockScales(DType dtype, std::span<const std::byte> blocks,
                      const std::function<std::string(uint64_t block)>& where) {
  const Scales scales = ScalesOf(dtype);
  if (scales.count == 0) return;
  const uint64_t block_bytes = InfoOf(dtype).block_bytes;
  const size_t size = InfoOf(scales.dtype).block_bytes;
  const Exponent exponent = ExponentOf(scales.dtype);
  for (uint64_t at = 0; at < blocks.size(); at += block_bytes) {
    for (uint32_t i = 0; i < scales.count; ++i) {
      uint32_t bits;
      if (IsFinite(&blocks[at + scales.offset + i * size], size, exponent.mask, &bits)) continue;
      Fail(Status::kNumeric, "{}: the scale of a block is 0x{:0{}x}, expected {}",
           where(at / block_bytes), bits, 2 * size, exponent.expected);
    }
  }
}

}  // namespace inference
