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

// Index of the first of the scales that is not finite, or -1; `count` of them at `offset` in each
// stretch of `stride` bytes.
template <typename Bits>
int64_t FindInfinite(std::span<const std::byte> bytes, uint64_t stride, uint64_t offset,
                     uint32_t count, uint32_t mask, uint32_t* found) {
  for (uint64_t at = 0; at < bytes.size(); at += stride) {
    for (uint32_t i = 0; i < count; ++i) {
      Bits bits;
      std::memcpy(&bits, &bytes[at + offset + i * sizeof(bits)], sizeof(bits));
      if ((bits & mask) != mask) continue;
      *found = bits;
      return static_cast<int64_t>(at / stride);
    }
  }
  return -1;
}

int64_t FindInfinite(DType dtype, std::span<const std::byte> bytes, uint64_t stride,
                     uint64_t offset, uint32_t count, uint32_t* found) {
  const uint32_t mask = ExponentOf(dtype).mask;
  switch (InfoOf(dtype).block_bytes) {
    case 1:
      return FindInfinite<uint8_t>(bytes, stride, offset, count, mask, found);
    case 2:
      return FindInfinite<uint16_t>(bytes, stride, offset, count, mask, found);
    default:
      return FindInfinite<uint32_t>(bytes, stride, offset, count, mask, found);
  }
}

}  // namespace

void CheckScales(DType dtype, std::span<const std::byte> scales,
                 const std::function<std::string(uint64_t index)>& where) {
  const uint64_t size = InfoOf(dtype).block_bytes;
  uint32_t bits = 0;
  const int64_t at = FindInfinite(dtype, scales, size, 0, 1, &bits);
  if (at < 0) return;
  Fail(Status::kNumeric, "{}: a scale or bias is 0x{:0{}x}, expected {}",
       where(static_cast<uint64_t>(at)), bits, 2 * size, ExponentOf(dtype).expected);
}

void CheckBlockScales(DType dtype, std::span<const std::byte> blocks,
                      const std::function<std::string(uint64_t block)>& where) {
  const Scales scales = ScalesOf(dtype);
  if (scales.count == 0) return;
  uint32_t bits = 0;
  const int64_t at = FindInfinite(scales.dtype, blocks, InfoOf(dtype).block_bytes, scales.offset,
                                  scales.count, &bits);
  if (at < 0) return;
  Fail(Status::kNumeric, "{}: the scale of a block is 0x{:0{}x}, expected {}",
       where(static_cast<uint64_t>(at)), bits, 2 * InfoOf(scales.dtype).block_bytes,
       ExponentOf(scales.dtype).expected);
}

}  // namespace inference
