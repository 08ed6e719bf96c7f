// How the values of a weight matrix are encoded: a type of ggml or a plain one, or MLX's affine
// groups.
#pragma once

#include <cstdint>
#include <string>

#include "util/dtype.h"

namespace inference {

// Affine: codes of `bits` (2, 3, 4, 5, 6 or 8) in U32 words, the first in the lowest bits; each
// group of 32, 64 or 128 columns has a scale and a bias of type `scales`. A weight is scale * code
// + bias.
struct WeightFormat {
  DType dtype = DType::kF32;  // kU32 for affine
  uint8_t bits = 0;           // affine only, like the rest
  uint8_t group = 0;          // columns
  DType scales = DType::kF32;

  WeightFormat() = default;
  WeightFormat(DType type) : dtype(type) {}  // NOLINT: every type of ggml is a format
  static WeightFormat Affine(int bits, int group, DType scales);

  bool operator==(const WeightFormat&) const = default;
  bool is_affine() const { return bits != 0; }
};

// Whether matrices of this format can be packed.
bool IsPackable(const WeightFormat& format);

// For people: "Q4_K", "4-bit affine, group 64, BF16 scales".
std::string NameOf(const WeightFormat& format);

// The -D defines that select the format in cl/weights.cl: "-D TYPE_Q4_K".
std::string TypeDefine(const WeightFormat& format);

// Columns that only come together: a block, super-block or group.
int64_t BlockColumns(const WeightFormat& format);

// Bytes of a row of whole blocks. An affine row is its words, then its scales, then its biases.
uint64_t StoredRowBytes(const WeightFormat& format, int64_t cols);

}  // namespace inference
