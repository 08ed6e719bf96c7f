// MLX's affine quantisation (mlx/backend/cpu/quantized.cpp), to the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/weight_format.h"

namespace inference {

// A row of values, already rounded to the type of the scales, to words, scales and biases: what
// StoredRowBytes(format, row.size()) counts, in this order. The values are finite; a scale may not
// be, where a group is wider than float32.
void QuantizeRow(const WeightFormat& format, std::span<const float> row, std::span<std::byte> words,
                 std::span<std::byte> scales, std::span<std::byte> biases);

}  // namespace inference
