#include "models/block_scales.h"

#include <cstring>

#include "util/error.h"

namespace inference {

namespace {

// Where the float16 scales of a block are (ggml-common.h): `count` of them from byte `offset` on.
struct Scales {
  uint32_t offset, count;
};

Scales ScalesOf(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
      return {0, 1};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ6_K:
      return {208, 1};
    default:
      return {0, 0};
  }
}

}  // namespace

void CheckBlockScales(DType dtype, std::span<const std::byte> blocks,
                      const std::function<std::string(uint64_t block)>& where) {
  const Scales scales = ScalesOf(dtype);
  if (scales.count == 0) return;
  const uint64_t block_bytes = InfoOf(dtype).block_bytes;
  for (uint64_t at = 0; at < blocks.size(); at += block_bytes) {
    for (uint32_t i = 0; i < scales.count; ++i) {
      uint16_t half;
      std::memcpy(&half, &blocks[at + scales.offset + 2 * i], sizeof(half));
      if ((half & 0x7C00) != 0x7C00) continue;
      Fail(Status::kNumeric, "{}: the scale of a block is 0x{:04x}, expected a finite float16",
           where(at / block_bytes), half);
    }
  }
}

}  // namespace inference
