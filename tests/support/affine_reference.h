// Rows of any weight format: those of ggml_reference.h, and MLX's affine groups, written from their
// definition (mlx.core.quantize): w = scale * code + bias, codes in one stream of bits.
#pragma once

#include "support/ggml_reference.h"
#include "tensor/weight_format.h"

namespace inference {

inline double PlainAt(DType dtype, const uint8_t* p) {
  if (dtype == DType::kF16) return HalfToDouble(ReadU16(p));
  uint32_t bits = static_cast<uint32_t>(ReadU16(p)) << 16;
  if (dtype == DType::kF32) std::memcpy(&bits, p, 4);
  float v;
  std::memcpy(&v, &bits, 4);
  return static_cast<double>(v);
}

inline std::vector<uint8_t> RandomRow(const WeightFormat& format, int64_t cols,
                                      std::mt19937& generator) {
  if (!format.is_affine()) return RandomRow(format.dtype, cols, generator);
  std::vector<uint8_t> row(static_cast<size_t>(cols * format.bits / 8));
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(generator());
  const std::vector<uint8_t> scales = RandomRow(format.scales, cols / format.group * 2, generator);
  row.insert(row.end(), scales.begin(), scales.end());
  return row;
}

inline double DequantizedAt(const WeightFormat& format, const std::vector<uint8_t>& row,
                            int64_t cols, int64_t c) {
  if (!format.is_affine()) return DequantizedAt(format.dtype, row, c);
  int code = 0;
  for (int64_t i = 0; i < format.bits; ++i) {
    const int64_t bit = c * format.bits + i;
    code |= ((row[static_cast<size_t>(bit / 8)] >> (bit % 8)) & 1) << i;
  }
  const int64_t size = InfoOf(format.scales).block_bytes, group = c / format.group;
  const uint8_t* scales = row.data() + cols * format.bits / 8;
  return PlainAt(format.scales, scales + group * size) * code +
         PlainAt(format.scales, scales + (cols / format.group + group) * size);
}

}  // namespace inference
