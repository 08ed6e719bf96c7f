// Rows of every weight type: random ones, and what they mean, written from the definition of the
// formats (ggml-common.h, ggml-quants.c) as plain loops in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "util/dtype.h"

namespace inference {

inline double HalfToDouble(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

inline uint16_t ReadU16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}

// A random block: any codes, scales that are small normal halves (one in eight denormal).
inline std::vector<uint8_t> RandomRow(DType dtype, int64_t cols, std::mt19937& generator) {
  const auto bytes = *BytesOf(dtype, static_cast<uint64_t>(cols));
  std::vector<uint8_t> row(bytes);
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(generator());
  const auto half_at = [&](size_t at) {
    const uint16_t exponent = generator() % 8 == 0 ? 0 : static_cast<uint16_t>(6 + generator() % 4);
    const auto bits = static_cast<uint16_t>((generator() & 0x83FF) | (exponent << 10));
    std::memcpy(&row[at], &bits, 2);
  };
  const uint32_t block = InfoOf(dtype).block_bytes;
  for (size_t at = 0; at + block <= bytes; at += block) {
    switch (dtype) {
      case DType::kF32: {
        const float v = static_cast<float>(static_cast<int32_t>(generator())) * 0x1p-31f;
        std::memcpy(&row[at], &v, 4);
        break;
      }
      case DType::kBF16: {
        const float v = static_cast<float>(static_cast<int32_t>(generator())) * 0x1p-31f;
        std::memcpy(&row[at], reinterpret_cast<const uint8_t*>(&v) + 2, 2);
        break;
      }
      case DType::kF16:
        half_at(at);
        break;
      case DType::kQ4_0:
      case DType::kQ5_0:
      case DType::kQ8_0:
      case DType::kIQ4_NL:
      case DType::kIQ4_XS:
        half_at(at);
        break;
      case DType::kMXFP4:  // 2^-9 ... 2^6, one in eight the least there is
        row[at] =
            static_cast<uint8_t>(generator() % 8 == 0 ? generator() % 2 : 118 + generator() % 16);
        break;
      case DType::kQ2_K:
        half_at(at + 80);
        half_at(at + 82);
        break;
      case DType::kQ3_K:
        half_at(at + 108);
        break;
      case DType::kQ4_1:
      case DType::kQ5_1:
      case DType::kQ4_K:
      case DType::kQ5_K:
        half_at(at);
        half_at(at + 2);
        break;
      case DType::kQ6_K:
        half_at(at + 208);
        break;
      default:
        break;
    }
  }
  return row;
}

constexpr int kIQ4[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr double kE2M1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};

inline double DequantizedAt(DType dtype, const std::vector<uint8_t>& row, int64_t column) {
  const DTypeInfo& info = InfoOf(dtype);
  const uint8_t* b = row.data() + column / info.block_elements * info.block_bytes;
  const int i = static_cast<int>(column % info.block_elements);
  const auto d = [&](size_t at) { return HalfToDouble(ReadU16(b + at)); };
  const auto nibble = [&](const uint8_t* qs) { return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4; };
  const auto fifth = [&](const uint8_t* qh) {
    uint32_t bits;
    std::memcpy(&bits, qh, 4);
    return static_cast<int>((bits >> i) & 1) << 4;
  };
  const auto scale_min = [&](const uint8_t* q, int j, int& scale, int& min) {
    if (j < 4) {
      scale = q[j] & 63;
      min = q[j + 4] & 63;
    } else {
      scale = (q[j + 4] & 15) | ((q[j - 4] >> 6) << 4);
      min = (q[j + 4] >> 4) | ((q[j] >> 6) << 4);
    }
  };
  switch (dtype) {
    case DType::kF32: {
      float v;
      std::memcpy(&v, b, 4);
      return static_cast<double>(v);
    }
    case DType::kF16:
      return d(0);
    case DType::kBF16: {
      const uint32_t bits = static_cast<uint32_t>(ReadU16(b)) << 16;
      float v;
      std::memcpy(&v, &bits, 4);
      return static_cast<double>(v);
    }
    case DType::kQ4_0:
      return d(0) * (nibble(b + 2) - 8);
    case DType::kQ4_1:
      return d(0) * nibble(b + 4) + d(2);
    case DType::kQ5_0:
      return d(0) * ((nibble(b + 6) | fifth(b + 2)) - 16);
    case DType::kQ5_1:
      return d(0) * (nibble(b + 8) | fifth(b + 4)) + d(2);
    case DType::kQ8_0:
      return d(0) * static_cast<int8_t>(b[2 + i]);
    case DType::kQ4_K:
    case DType::kQ5_K: {
      const int u = i / 32, c = i % 32;
      int scale, min;
      scale_min(b + 4, u, scale, min);
      const uint8_t byte = b[(dtype == DType::kQ4_K ? 16 : 48) + u / 2 * 32 + c];
      int q = u % 2 == 0 ? byte & 15 : byte >> 4;
      if (dtype == DType::kQ5_K) q |= ((b[16 + c] >> u) & 1) << 4;
      return d(0) * scale * q - d(2) * min;
    }
    case DType::kQ6_K: {
      const int half = i / 128, j = i % 128, quarter = j / 32, c = j % 32;
      const uint8_t low_byte = b[half * 64 + quarter % 2 * 32 + c];
      const int low = quarter < 2 ? low_byte & 15 : low_byte >> 4;
      const int high = (b[128 + half * 32 + c] >> (2 * quarter)) & 3;
      return d(208) * static_cast<int8_t>(b[192 + i / 16]) * ((low | (high << 4)) - 32);
    }
    case DType::kIQ4_NL:
      return d(0) * kIQ4[nibble(b + 2)];
    case DType::kIQ4_XS: {
      const int u = i / 32, byte = b[8 + u * 16 + i % 16];
      const int low = (b[4 + u / 2] >> (u % 2 * 4)) & 15, high = (ReadU16(b + 2) >> (2 * u)) & 3;
      return d(0) * ((low | (high << 4)) - 32) * kIQ4[i % 32 < 16 ? byte & 15 : byte >> 4];
    }
    case DType::kMXFP4:
      return std::ldexp(kE2M1[nibble(b + 1)], b[0] - 127);
    case DType::kQ2_K: {
      const int scales = b[i / 16], q = (b[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      return d(80) * (scales & 15) * q - d(82) * (scales >> 4);
    }
    case DType::kQ3_K: {
      const int j = i / 16;
      const int low = j < 8 ? b[96 + j] & 15 : b[88 + j] >> 4;
      const int high = (b[104 + j % 4] >> (j / 4 * 2)) & 3;
      const int q = (b[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      const int upper = (b[i % 32] >> (i / 32)) & 1;
      return d(108) * ((low | (high << 4)) - 32) * (q + 4 * upper - 4);
    }
    default:
      return std::nan("");
  }
}

}  // namespace inference
