// A unit of a token as words: four columns each, from 1 to 255, the scale, the sums times the scale, zeros.
INLINE float16 words_of(GLOBAL float* row, const int padded_D, const int u) {
  const uchar16 low = convert_uchar16(load16(row + 32 * u) + 128.0f);
  const uchar16 high = convert_uchar16(load16(row + 32 * u + 16) + 128.0f);
  const float scale = row[padded_D + padded_D / 16 + u];
  const float first = row[padded_D + 2 * u], second = row[padded_D + 2 * u + 1];
  const float4 sums = (float4)(1.0f, first, second, first + second) * scale;
  return (float16)(as_float4(low), as_float4(high), sums, (float4)(0.0f));
}

// Unit u of a tile of n tokens, [BYTE_ROWS, TILE]; tokens that are not there are those that are.
INLINE void store_unit(__global float* out, GLOBAL float* rows, const int ld, const int padded_D,
                       const int u, const int n) {
#if TILE == 12
  float16 r[16];
#pragma unroll
  for (int t = 0; t < 12; ++t) r[t] = words_of(rows + min(t, n - 1) * ld, padded_D, u);
#pragma unroll
  for (int t = 12; t < 16; ++t) r[t] = 0.0f;
  turn16(r);
#pragma unroll
  for (int c = 0; c < BYTE_ROWS - 1; ++c) store16(r[c], out + c * 12);  // the next one covers what is too much
  vstore8(r[BYTE_ROWS - 1].lo, 0, out + (BYTE_ROWS - 1) * 12);
  vstore4(r[BYTE_ROWS - 1].hi.lo, 0, out + (BYTE_ROWS - 1) * 12 + 8);
#else
  for (int t = 0; t < n; ++t) {
    float words[16];
    vstore16(words_of(rows + t * ld, padded_D, u), 0, words);
    for (int c = 0; c < BYTE_ROWS; ++c) out[c * TILE + t] = words[c];
  }
#endif
}

// The input of cl/matmul_int8.cl and of cl/matmul_each.cl, and from it that of cl/matmul.cl for types that have no form in bytes.
// Unit: a tile. scratch: [parts, TILE, ROW_FLOATS].
KERNEL void prepare_int8(__global uint* prepared, __global float* sum, __global float* scratch,
                         GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                         GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                         const int first_row, const float eps, const int mode) {
  const int units = padded_D / 32, ld = ROW_FLOATS(padded_D), tiles = (T + TILE - 1) / TILE;
  __global float* rows = scratch + (long)PART * TILE * ld;
  const int last = SHARE_LAST(tiles, PART, PARTS);
  for (int i = SHARE_FIRST(tiles, PART, PARTS); i < last; ++i) {
    const int n = min(TILE, T - i * TILE);
    for (int t = 0; t < n; ++t) {
      const long from = (long)(first_row + i * TILE + t) * D;
      __global float* row = rows + t * ld;
      prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight,
                  sum + (long)(i * TILE + t) * D, D, padded_D, eps, mode);
      finish_row(row, padded_D);
    }
    __global float* out = (__global float*)prepared + (long)i * units * BYTE_ROWS * TILE;
    for (int u = 0; u < units; ++u, out += BYTE_ROWS * TILE) store_unit(out, rows, ld, padded_D, u, n);
  }
}

// Unit: a unit of a tile.
KERNEL void widen_int8(__global float* packed, GLOBAL uint* prepared, const int n) {
  for (int i = PART; i < n; i += PARTS) {
    GLOBAL uint* from = prepared + (long)i * BYTE_ROWS * TILE;
    __global float* out = packed + (long)i * PREPARED_ROWS * TILE;
    for (int t = 0; t < TILE; ++t) {
      for (int c = 0; c < 32; ++c) {
        out[c * TILE + t] = (float)((from[c / 4 * TILE + t] >> (c % 4 * 8)) & 255) - 128.0f;
      }
      out[SCALE_ROW * TILE + t] = as_float(from[QUADS * TILE + t]);
      for (int r = 0; r < 3; ++r) {
        out[(32 + r) * TILE + t] = as_float(from[(QUADS + 1 + r) * TILE + t]);
      }
    }
  }
}
