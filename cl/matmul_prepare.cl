// out[c][t] = rows[t][c] of 16 columns and TILE tokens. Up to four more values are written, too: what
// comes next is written later.
INLINE void turn_columns(__global float* out, GLOBAL float* rows, const int ld) {
#if TILE == 12
  float16 r[16];
#pragma unroll
  for (int t = 0; t < 16; ++t) r[t] = vload16(0, rows + min(t, 11) * ld);
  turn16(r);
#pragma unroll
  for (int c = 0; c < 16; ++c) store16(r[c], out + c * 12);
#else
  for (int c = 0; c < 16; ++c) {
    for (int t = 0; t < TILE; ++t) out[c * TILE + t] = rows[t * ld + c];
  }
#endif
}

// The input of products of many rows, in tiles of TILE tokens. A unit of 32 columns is PREPARED_ROWS
// rows of TILE values: its columns, padded with zeros, the sums of each half of them, of all, and where
// INT8 the scale, by which the sums are multiplied already.
//   packed [T / TILE, padded_D / 32, PREPARED_ROWS, TILE]
// Unit: a tile. scratch: [parts, TILE, ROW_FLOATS], rows of which are turned all at once.
KERNEL void prepare(__global float* packed, __global float* sum, __global float* scratch,
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
    __global float* out = packed + (long)i * TILE * units * PREPARED_ROWS;
    for (int u = 0; u < units; ++u, out += TILE * PREPARED_ROWS) {
      turn_columns(out, rows + u * 32, ld);
      turn_columns(out + 16 * TILE, rows + u * 32 + 16, ld);
      for (int t = 0; t < TILE; ++t) {
        GLOBAL float* sums = rows + t * ld + padded_D + 2 * u;
#ifdef INT8
        const float scale = rows[t * ld + padded_D + padded_D / 16 + u];
        out[SCALE_ROW * TILE + t] = scale;
#else
        const float scale = 1.0f;
#endif
        out[32 * TILE + t] = sums[0] * scale;
        out[33 * TILE + t] = sums[1] * scale;
        out[34 * TILE + t] = (sums[0] + sums[1]) * scale;
      }
    }
  }
}
