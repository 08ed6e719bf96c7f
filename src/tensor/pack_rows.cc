// The order of values inside a packed row block (cl/weights.cl), from the orders of checkpoints:
// ggml's blocks (github.com/ggml-org/ggml, ggml-common.h), MLX's groups and plain rows.
#include <algorithm>
#include <array>
#include <cstring>

#include "tensor/packed.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int kRows = 16;
constexpr int kUnit = 32;

using Bytes = const uint8_t*;
using UnitCodes = std::array<std::array<uint8_t, kUnit>, kRows>;  // of one unit, by row

// Words of 32 bits, of 8 codes of four bits each: columns 0-3 in the lower halves of their bytes,
// 4-7 in the upper ones.
void WriteNibbles(const UnitCodes& codes, uint8_t* out) {
  for (int w = 0; w < kUnit / 8; ++w) {
    for (int r = 0; r < kRows; ++r) {
      for (int b = 0; b < 4; ++b) {
        *out++ = static_cast<uint8_t>(codes[r][8 * w + b] | (codes[r][8 * w + 4 + b] << 4));
      }
    }
  }
}

// One or four columns a byte, the first in the lowest bits.
template <int kBits>
void WritePlane(const UnitCodes& codes, uint8_t* out) {
  constexpr int kPerByte = 8 / kBits;
  for (int i = 0; i < kUnit / kPerByte; ++i) {
    for (int r = 0; r < kRows; ++r) {
      int byte = 0;
      for (int c = 0; c < kPerByte; ++c) byte |= codes[r][i * kPerByte + c] << (c * kBits);
      *out++ = static_cast<uint8_t>(byte);
    }
  }
}

// Words of 32 bits, of 10, 6 or 5 codes each; the codes of columns 30 and 31 are spread over the
// two bits that each word has left: pairs of bits in words of their own, the last bit in the last
// word.
template <int kBits>
void WriteWords(const UnitCodes& codes, uint8_t* out) {
  constexpr int kPerWord = 32 / kBits, kPairs = kBits / 2;
  for (int w = 0; w < kBits; ++w) {
    for (int r = 0; r < kRows; ++r) {
      uint32_t word = 0;
      for (int j = 0; j < kPerWord; ++j) {
        word |= static_cast<uint32_t>(codes[r][w * kPerWord + j]) << (j * kBits);
      }
      const uint32_t low = codes[r][30], high = codes[r][31];
      const uint32_t rest = w < kPairs       ? (low >> (2 * w)) & 3
                            : w < 2 * kPairs ? (high >> (2 * (w - kPairs))) & 3
                                             : (low >> w) | (high >> w << 1);
      word |= rest << 30;
      std::memcpy(out, &word, sizeof(word));
      out += sizeof(word);
    }
  }
}

void WriteCodes(const UnitCodes& codes, int bits, uint8_t* out) {
  switch (bits) {
    case 2:
      return WritePlane<2>(codes, out);
    case 3:
      return WriteWords<3>(codes, out);
    case 4:
      return WriteNibbles(codes, out);
    case 5:
      return WriteWords<5>(codes, out);
    case 6:
      return WriteWords<6>(codes, out);
    default:
      return WritePlane<8>(codes, out);
  }
}

void CopyHalf(uint8_t* out, int row, Bytes from) { std::memcpy(out + 2 * row, from, 2); }

// Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL: d [m] [qh] qs, columns j and j + 16 share byte j.
void PackBlock32(Bytes const* rows, int64_t unit, bool has_min, int bits, uint8_t* out) {
  const int scale_bytes = has_min ? 4 : 2;
  const int block_bytes = scale_bytes + (bits == 5 ? 4 : 0) + 16;
  UnitCodes codes{};
  for (int r = 0; r < kRows; ++r) {
    if (rows[r] == nullptr) continue;
    Bytes block = rows[r] + unit * block_bytes;
    CopyHalf(out, r, block);
    if (has_min) CopyHalf(out + 32, r, block + 2);
    uint32_t upper = 0;
    if (bits == 5) std::memcpy(&upper, block + scale_bytes, 4);
    Bytes qs = block + block_bytes - 16;
    for (int j = 0; j < 16; ++j) {
      codes[r][j] = static_cast<uint8_t>((qs[j] & 15) | (((upper >> j) & 1) << 4));
      codes[r][j + 16] = static_cast<uint8_t>((qs[j] >> 4) | (((upper >> (j + 16)) & 1) << 4));
    }
  }
  WriteCodes(codes, bits, out + (has_min ? 64 : 32));
}

// MXFP4: e qs, nibbles as above.
void PackMXFP4(Bytes const* rows, int64_t unit, uint8_t* out) {
  UnitCodes codes{};
  for (int r = 0; r < kRows; ++r) {
    if (rows[r] == nullptr) continue;
    Bytes block = rows[r] + unit * 17;
    out[r] = block[0];
    for (int j = 0; j < 16; ++j) {
      codes[r][j] = block[1 + j] & 15;
      codes[r][j + 16] = block[1 + j] >> 4;
    }
  }
  WriteCodes(codes, 4, out + 16);
}

void PackQ8_0(Bytes const* rows, int64_t unit, uint8_t* out) {
  for (int r = 0; r < kRows; ++r) {
    if (rows[r] == nullptr) continue;
    Bytes block = rows[r] + unit * 34;
    CopyHalf(out, r, block);
    for (int j = 0; j < kUnit; ++j) out[32 + j * kRows + r] = block[2 + j];
  }
}

// The 6-bit scale and min of sub-block j in the 12 bytes of Q4_K and Q5_K.
void KScaleMin(Bytes q, int j, uint8_t* scale, uint8_t* min) {
  if (j < 4) {
    *scale = q[j] & 63;
    *min = q[j + 4] & 63;
  } else {
    *scale = static_cast<uint8_t>((q[j + 4] & 15) | ((q[j - 4] >> 6) << 4));
    *min = static_cast<uint8_t>((q[j + 4] >> 4) | ((q[j] >> 6) << 4));
  }
}

// Q4_K, Q5_K: d dmin scales[12] [qh[32]] qs[128]; 64 columns share 32 bytes, low nibbles first.
void PackK45(Bytes const* rows, int64_t super, bool five_bits, uint8_t* out) {
  const int block_bytes = five_bits ? 176 : 144;
  const int unit_bytes = 32 + 256 + (five_bits ? 64 : 0);
  for (int u = 0; u < 8; ++u) {
    UnitCodes codes{};
    uint8_t* unit = out + 64 + u * unit_bytes;
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes block = rows[r] + super * block_bytes;
      CopyHalf(out, r, block);
      CopyHalf(out + 32, r, block + 2);
      KScaleMin(block + 4, u, &unit[r], &unit[16 + r]);
      Bytes qh = block + 16, qs = block + (five_bits ? 48 : 16) + u / 2 * 32;
      for (int c = 0; c < kUnit; ++c) {
        codes[r][c] = u % 2 == 0 ? qs[c] & 15 : qs[c] >> 4;
        if (five_bits) codes[r][c] |= static_cast<uint8_t>(((qh[c] >> u) & 1) << 4);
      }
    }
    WriteCodes(codes, five_bits ? 5 : 4, unit + 32);
  }
}

// Q6_K: ql[128] qh[64] scales i8[16] d; 128 columns share 64 bytes of ql and 32 of qh. A code less
// 32 is the code with its upper bit turned.
void PackQ6_K(Bytes const* rows, int64_t super, uint8_t* out) {
  constexpr int kUnitBytes = 32 + 256 + 128;
  for (int u = 0; u < 8; ++u) {
    UnitCodes codes{};
    uint8_t* unit = out + 32 + u * kUnitBytes;
    const int half = u / 4, quarter = u % 4;  // of 128 columns, of 32 within them
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes block = rows[r] + super * 210;
      CopyHalf(out, r, block + 208);
      unit[r] = block[192 + 2 * u];
      unit[16 + r] = block[192 + 2 * u + 1];
      Bytes ql = block + half * 64 + quarter % 2 * 32, qh = block + 128 + half * 32;
      for (int c = 0; c < kUnit; ++c) {
        const int low = quarter < 2 ? ql[c] & 15 : ql[c] >> 4;
        codes[r][c] = static_cast<uint8_t>(low | (((qh[c] >> (2 * quarter)) & 3) << 4)) ^ 32;
      }
    }
    WriteCodes(codes, 6, unit + 32);
  }
}

// Code of column c of unit u where 128 columns share 32 bytes of two bits each (Q2_K, Q3_K).
int TwoBits(Bytes qs, int u, int c) { return (qs[u / 4 * 32 + c] >> (u % 4 * 2)) & 3; }

// Q2_K: scales[16] qs[64] d dmin; the scale of sixteen columns is a low nibble, the min a high one.
void PackQ2_K(Bytes const* rows, int64_t super, uint8_t* out) {
  constexpr int kUnitBytes = 32 + 128;
  for (int u = 0; u < 8; ++u) {
    UnitCodes codes{};
    uint8_t* unit = out + 64 + u * kUnitBytes;
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes block = rows[r] + super * 84;
      CopyHalf(out, r, block + 80);
      CopyHalf(out + 32, r, block + 82);
      unit[r] = block[2 * u];
      unit[16 + r] = block[2 * u + 1];
      for (int c = 0; c < kUnit; ++c) {
        codes[r][c] = static_cast<uint8_t>(TwoBits(block + 16, u, c));
      }
    }
    WriteCodes(codes, 2, unit + 32);
  }
}

// Q3_K: hmask[32] qs[64] scales[12] d; a scale of sixteen columns has six bits, less 32: the low
// four in the nibbles of scales[0, 8), the upper two in scales[8, 12).
void PackQ3_K(Bytes const* rows, int64_t super, uint8_t* out) {
  constexpr int kUnitBytes = 32 + 192;
  for (int u = 0; u < 8; ++u) {
    UnitCodes codes{};
    uint8_t* unit = out + 32 + u * kUnitBytes;
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes block = rows[r] + super * 110, scales = block + 96;
      CopyHalf(out, r, block + 108);
      for (int half = 0; half < 2; ++half) {
        const int j = 2 * u + half;
        const int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
        const int high = (scales[8 + j % 4] >> (j / 4 * 2)) & 3;
        unit[16 * half + r] = static_cast<uint8_t>((low | (high << 4)) - 32);
      }
      for (int c = 0; c < kUnit; ++c) {
        codes[r][c] =
            static_cast<uint8_t>(TwoBits(block + 32, u, c) | (((block[c] >> u) & 1) << 2));
      }
    }
    WriteCodes(codes, 3, unit + 32);
  }
}

// IQ4_XS: d scales_h u16 scales_l[4] qs[128]; the scale of a unit has six bits, less 32.
void PackIQ4_XS(Bytes const* rows, int64_t super, uint8_t* out) {
  constexpr int kUnitBytes = 16 + 256;
  for (int u = 0; u < 8; ++u) {
    UnitCodes codes{};
    uint8_t* unit = out + 32 + u * kUnitBytes;
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes block = rows[r] + super * 136, qs = block + 8 + u * 16;
      CopyHalf(out, r, block);
      const int low = (block[4 + u / 2] >> (u % 2 * 4)) & 15;
      const int high = ((block[2] | (block[3] << 8)) >> (2 * u)) & 3;
      unit[r] = static_cast<uint8_t>((low | (high << 4)) - 32);
      for (int j = 0; j < 16; ++j) {
        codes[r][j] = qs[j] & 15;
        codes[r][j + 16] = qs[j] >> 4;
      }
    }
    WriteCodes(codes, 4, unit + 16);
  }
}

// Affine: the words of a row are one stream of bits, lowest first; scales and biases follow them.
void PackAffine(Bytes const* rows, const WeightFormat& format, int64_t cols, int64_t group,
                uint8_t* out) {
  const int bits = format.bits, mask = (1 << bits) - 1, units = format.group / kUnit;
  const size_t scale_bytes = InfoOf(format.scales).block_bytes;
  const int64_t groups = cols / format.group;
  const auto scale_row = static_cast<int64_t>(scale_bytes) * groups;
  uint8_t* unit = out + 2 * kRows * scale_bytes;
  for (int r = 0; r < kRows; ++r) {
    if (rows[r] == nullptr) continue;
    Bytes scale = rows[r] + cols * bits / 8 + static_cast<int64_t>(scale_bytes) * group;
    const size_t at = static_cast<size_t>(r) * scale_bytes;
    std::memcpy(out + at, scale, scale_bytes);
    std::memcpy(out + kRows * scale_bytes + at, scale + scale_row, scale_bytes);
  }
  for (int u = 0; u < units; ++u, unit += kRows * kUnit / 8 * bits) {
    UnitCodes codes{};
    for (int r = 0; r < kRows; ++r) {
      if (rows[r] == nullptr) continue;
      Bytes from = rows[r] + (group * units + u) * kUnit / 8 * bits;
      uint32_t stream = 0;
      int have = 0;
      for (uint8_t& code : codes[r]) {
        if (have < bits) {
          stream |= static_cast<uint32_t>(*from++) << have;
          have += 8;
        }
        code = static_cast<uint8_t>(stream & static_cast<uint32_t>(mask));
        stream >>= bits;
        have -= bits;
      }
    }
    WriteCodes(codes, bits, unit);
  }
}

template <typename T>
void PackPlain(Bytes const* rows, int64_t cols, uint8_t* out) {
  for (int r = 0; r < kRows; ++r) {
    if (rows[r] == nullptr) continue;
    for (int64_t c = 0; c < cols; ++c) {
      std::memcpy(out + (c * kRows + r) * sizeof(T), rows[r] + c * sizeof(T), sizeof(T));
    }
  }
}

// Block, super-block or group i of the rows.
void PackPiece(Bytes const* rows, const WeightFormat& format, int64_t cols, int64_t i,
               uint8_t* out) {
  if (format.is_affine()) return PackAffine(rows, format, cols, i, out);
  switch (format.dtype) {
    case DType::kQ4_0:
    case DType::kIQ4_NL:
      return PackBlock32(rows, i, false, 4, out);
    case DType::kQ4_1:
      return PackBlock32(rows, i, true, 4, out);
    case DType::kQ5_0:
      return PackBlock32(rows, i, false, 5, out);
    case DType::kQ5_1:
      return PackBlock32(rows, i, true, 5, out);
    case DType::kMXFP4:
      return PackMXFP4(rows, i, out);
    case DType::kQ8_0:
      return PackQ8_0(rows, i, out);
    case DType::kQ2_K:
      return PackQ2_K(rows, i, out);
    case DType::kQ3_K:
      return PackQ3_K(rows, i, out);
    case DType::kQ4_K:
      return PackK45(rows, i, false, out);
    case DType::kQ5_K:
      return PackK45(rows, i, true, out);
    case DType::kQ6_K:
      return PackQ6_K(rows, i, out);
    case DType::kIQ4_XS:
      return PackIQ4_XS(rows, i, out);
    default:
      Fail(Status::kInternal, "pack: type {}", NameOf(format));
  }
}

}  // namespace

void PackRowBlock(const WeightFormat& format, int64_t cols,
                  std::span<const std::byte* const, 16> rows, std::byte* out) {
  const uint64_t bytes = RowBlockBytes(format, cols);
  auto* to = reinterpret_cast<uint8_t*>(out);
  std::memset(to, 0, bytes);
  std::array<Bytes, kRows> from;
  std::transform(rows.begin(), rows.end(), from.begin(),
                 [](const std::byte* row) { return reinterpret_cast<Bytes>(row); });
  if (format.dtype == DType::kF32) return PackPlain<uint32_t>(from.data(), cols, to);
  if (format.dtype == DType::kF16 || format.dtype == DType::kBF16) {
    return PackPlain<uint16_t>(from.data(), cols, to);
  }
  const int64_t pieces = cols / BlockColumns(format);
  const auto piece_bytes = static_cast<int64_t>(bytes) / std::max<int64_t>(pieces, 1);
  for (int64_t i = 0; i < pieces; ++i) {
    PackPiece(from.data(), format, cols, i, to + i * piece_bytes);
  }
}

}  // namespace inference
