#include "util/float16.h"

#include <cstring>

namespace inference {

bool IsHalfOrFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

void ToFloats(DType dtype, std::span<const std::byte> from, std::span<float> out) {
  if (dtype == DType::kF32) {
    std::memcpy(out.data(), from.data(), out.size_bytes());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, &from[2 * i], sizeof(bits));
    out[i] = dtype == DType::kF16 ? HalfToFloat(bits) : BFloatToFloat(bits);
  }
}

void FromFloats(std::span<const float> from, DType dtype, std::span<std::byte> out) {
  if (dtype == DType::kF32) {
    std::memcpy(out.data(), from.data(), from.size_bytes());
    return;
  }
  for (size_t i = 0; i < from.size(); ++i) {
    const uint16_t bits = dtype == DType::kF16 ? FloatToHalf(from[i]) : FloatToBFloat(from[i]);
    std::memcpy(&out[2 * i], &bits, sizeof(bits));
  }
}

}  // namespace inference
