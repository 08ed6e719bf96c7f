// The order of values inside a packed row block (cl/weights.cl), from the orders of checkpoints:
// ggml's blocks (github.com/ggml-org/ggml, ggml-common.h) and plain rows.
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

// Nibbles: column 2i in the low half of byte i, column 2i + 1 in the high half. Bits above the
// nibble follow in a plane of their own: eight columns a byte for one bit, four for two.
void WritePlanes(const UnitCodes& codes, int bits, uint8_t* out) {
  for (int i = 0; i < kUnit / 2; ++i) {
    for (int r = 0; r < kRows; ++r) {
      out[i * kRows + r] =
          static_cast<uint8_t>((codes[r][2 * i] & 15) | ((codes[r][2 * i + 1] & 15) << 4));
    }
  }
  if (bits == 4) return;
  const int upper = bits - 4, per_byte = 8 / upper;
  uint8_t* plane = out + kUnit / 2 * kRows;
  for (int i = 0; i < kUnit / per_byte; ++i) {
    for (int r = 0; r < kRows; ++r) {
      uint8_t byte = 0;
      for (int c = 0; c < per_byte; ++c) {
        byte |= static_cast<uint8_t>((codes[r][i * per_byte + c] >> 4) << (c * upper));
      }
      plane[i * kRows + r] = byte;
    }
  }
}

void CopyHalf(uint8_t* out, int row, Bytes from) { std::memcpy(out + 2 * row, from, 2); }

// Q4_0, Q4_1, Q5_0, Q5_1: d [m] [qh] qs, columns j and j + 16 share byte j.
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
  WritePlanes(codes, bits, out + (has_min ? 64 : 32));
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
    WritePlanes(codes, five_bits ? 5 : 4, unit + 32);
  }
}

// Q6_K: ql[128] qh[64] scales i8[16] d; 128 columns share 64 bytes of ql and 32 of qh.
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
        codes[r][c] = static_cast<uint8_t>(low | (((qh[c] >> (2 * quarter)) & 3) << 4));
      }
    }
    WritePlanes(codes, 6, unit + 32);
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

}  // namespace

void PackRowBlock(DType dtype, int64_t cols, std::span<const std::byte* const, 16> rows,
                  std::byte* out) {
  const uint64_t bytes = PackedBytes(dtype, kRows, cols);
  auto* to = reinterpret_cast<uint8_t*>(out);
  std::memset(to, 0, bytes);
  std::array<Bytes, kRows> from;
  std::transform(rows.begin(), rows.end(), from.begin(),
                 [](const std::byte* row) { return reinterpret_cast<Bytes>(row); });
  if (dtype == DType::kF32) return PackPlain<uint32_t>(from.data(), cols, to);
  if (dtype == DType::kF16 || dtype == DType::kBF16) {
    return PackPlain<uint16_t>(from.data(), cols, to);
  }
  const int64_t pieces = cols / InfoOf(dtype).block_elements;
  const auto piece_bytes = static_cast<int64_t>(bytes) / std::max<int64_t>(pieces, 1);
  for (int64_t i = 0; i < pieces; ++i) {
    uint8_t* piece = to + i * piece_bytes;
    switch (dtype) {
      case DType::kQ4_0:
        PackBlock32(from.data(), i, false, 4, piece);
        break;
      case DType::kQ4_1:
        PackBlock32(from.data(), i, true, 4, piece);
        break;
      case DType::kQ5_0:
        PackBlock32(from.data(), i, false, 5, piece);
        break;
      case DType::kQ5_1:
        PackBlock32(from.data(), i, true, 5, piece);
        break;
      case DType::kQ8_0:
        PackQ8_0(from.data(), i, piece);
        break;
      case DType::kQ4_K:
        PackK45(from.data(), i, false, piece);
        break;
      case DType::kQ5_K:
        PackK45(from.data(), i, true, piece);
        break;
      case DType::kQ6_K:
        PackQ6_K(from.data(), i, piece);
        break;
      default:
        Fail(Status::kInternal, "pack: type {}", InfoOf(dtype).name);
    }
  }
}

}  // namespace inference
