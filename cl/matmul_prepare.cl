// Sixteen vectors as a matrix, turned: riffled four times, each vector with the one eight further on.
INLINE void turn16(float16* r) {
#pragma unroll
  for (int round = 0; round < 4; ++round) {
    float16 out[16];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float16 a = r[i], b = r[i + 8];
      out[2 * i] = (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,  //
                             a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
      out[2 * i + 1] = (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,  //
                                 a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
    }
#pragma unroll
    for (int i = 0; i < 16; ++i) r[i] = out[i];
  }
}

// out[c][t] = rows[t][c] of 16 columns and `tile` tokens. Up to four more values are written, too: what
// comes next is written later.
INLINE void turn_columns(__global float* out, GLOBAL float* rows, const int ld, const int tile) {
  if (tile == 12) {
    float16 r[16];
#pragma unroll
    for (int t = 0; t < 16; ++t) r[t] = vload16(0, rows + min(t, 11) * ld);
    turn16(r);
#pragma unroll
    for (int c = 0; c < 16; ++c) store16(r[c], out + c * 12);
    return;
  }
  for (int c = 0; c < 16; ++c) {
    for (int t = 0; t < tile; ++t) out[c * tile + t] = rows[t * ld + c];
  }
}

// The input of products of many rows, in tiles of `tile` tokens. A unit of 32 columns is PREPARED_ROWS
// rows of `tile` values: its columns, padded with zeros, the sums of each half of them, of all, and where
// INT8 the scale, by which the sums are multiplied already.
//   packed [T / tile, padded_D / 32, PREPARED_ROWS, tile]
// Unit: a tile. scratch: [parts, tile, ROW_FLOATS], rows of which are turned all at once.
KERNEL void prepare(__global float* packed, __global float* sum, __global float* scratch,
                    GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                    GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                    const int first_row, const int tile, const float eps, const int mode) {
  const int units = padded_D / 32, ld = ROW_FLOATS(padded_D), tiles = (T + tile - 1) / tile;
  __global float* rows = scratch + (long)PART * tile * ld;
  const int last = SHARE_LAST(tiles, PART, PARTS);
  for (int i = SHARE_FIRST(tiles, PART, PARTS); i < last; ++i) {
    const int n = min(tile, T - i * tile);
    for (int t = 0; t < n; ++t) {
      const long from = (long)(first_row + i * tile + t) * D;
      __global float* row = rows + t * ld;
      prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight,
                  sum + (long)(i * tile + t) * D, D, padded_D, eps, mode);
      finish_row(row, padded_D);
    }
    __global float* out = packed + (long)i * tile * units * PREPARED_ROWS;
    for (int u = 0; u < units; ++u, out += tile * PREPARED_ROWS) {
      turn_columns(out, rows + u * 32, ld, tile);
      turn_columns(out + 16 * tile, rows + u * 32 + 16, ld, tile);
      for (int t = 0; t < tile; ++t) {
        GLOBAL float* sums = rows + t * ld + padded_D + 2 * u;
#ifdef INT8
        const float scale = rows[t * ld + padded_D + padded_D / 16 + u];
        out[SCALE_ROW * tile + t] = scale;
#else
        const float scale = 1.0f;
#endif
        out[32 * tile + t] = sums[0] * scale;
        out[33 * tile + t] = sums[1] * scale;
        out[34 * tile + t] = (sums[0] + sums[1]) * scale;
      }
    }
  }
}
