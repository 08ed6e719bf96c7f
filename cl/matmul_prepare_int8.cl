// The input of cl/matmul_int8.cl and of cl/matmul_each.cl, and from it that of cl/matmul.cl for types that have no form in bytes.
// Unit: a tile. scratch: [parts, TILE, ROW_FLOATS].
KERNEL void prepare_int8(__global uint* prepared, __global float* sum, __global float* scratch,
                         GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                         GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                         const int first_row, const float eps, const int mode) {
  const int units = padded_D / 32, ld = ROW_FLOATS(padded_D), tiles = (T + TILE - 1) / TILE;
  __global float* row = scratch + (long)PART * TILE * ld;
  const int last = SHARE_LAST(tiles, PART, PARTS);
  for (int i = SHARE_FIRST(tiles, PART, PARTS); i < last; ++i) {
    const int n = min(TILE, T - i * TILE);
    for (int t = 0; t < n; ++t) {
      const long from = (long)(first_row + i * TILE + t) * D;
      prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight,
                  sum + (long)(i * TILE + t) * D, D, padded_D, eps, mode);
      finish_row(row, padded_D);
      __global uint* out = prepared + (long)i * units * BYTE_ROWS * TILE + t;
      for (int u = 0; u < units; ++u, out += BYTE_ROWS * TILE) {
        const uchar16 low = convert_uchar16(load16(row + 32 * u) + 128.0f);
        const uchar16 high = convert_uchar16(load16(row + 32 * u + 16) + 128.0f);
        const uint8 words = (uint8)(as_uint4(low), as_uint4(high));
        const float scale = row[padded_D + padded_D / 16 + u];
        const float first = row[padded_D + 2 * u], second = row[padded_D + 2 * u + 1];
        out[0 * TILE] = words.s0;
        out[1 * TILE] = words.s1;
        out[2 * TILE] = words.s2;
        out[3 * TILE] = words.s3;
        out[4 * TILE] = words.s4;
        out[5 * TILE] = words.s5;
        out[6 * TILE] = words.s6;
        out[7 * TILE] = words.s7;
        out[8 * TILE] = as_uint(scale);
        out[9 * TILE] = as_uint(first * scale);
        out[10 * TILE] = as_uint(second * scale);
        out[11 * TILE] = as_uint((first + second) * scale);
      }
    }
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
