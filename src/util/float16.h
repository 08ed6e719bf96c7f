// float16 (IEEE 754 binary16) and bfloat16 as bits. To float is exact; from float rounds to nearest
// even, as hardware does.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "util/dtype.h"

namespace inference {

inline float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  const float denormal = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -denormal : denormal;
}

inline uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), size = bits & 0x7FFFFFFF;
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t half;
  if (size > 0x7F800000) {
    half = 0x7E00;  // NaN
  } else if (size >= 0x477FF000) {
    half = 0x7C00;  // 65520 and more round to infinity
  } else if (size < 0x38800000) {
    // Below 2^-14: the last bit of 0.5 + x is that of a denormal half.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3F000000;
  } else {
    half = (size - (112u << 23) + 0xFFF + ((size >> 13) & 1)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

inline float BFloatToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

inline uint16_t FloatToBFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);  // NaN
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

bool IsHalfOrFloat(DType dtype);  // F32, F16 or BF16

// Values of one such type as float32, and to one such type.
void ToFloats(DType dtype, std::span<const std::byte> from, std::span<float> out);
void FromFloats(std::span<const float> from, DType dtype, std::span<std::byte> out);

}  // namespace inference
