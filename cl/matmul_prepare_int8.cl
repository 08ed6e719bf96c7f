#if TILE == 12
#define BYTE_IN_BITS 12582912.0f  // added to |x| < 128: the lowest byte of the sum is the nearest whole number

// The sum of bytes 0 ... 255 of four words, lane by lane.
INLINE int16 sum_of_bytes(const float16* words) {
  const int16 odd = 0x00FF00FF;
  int16 sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int16 word = as_int16(words[i]);
    sum += (word & odd) + ((word >> 8) & odd);
  }
  return (sum & 0xFFFF) + (sum >> 16);
}

INLINE float16 larger_bits(const float16 a, const float16 b) {
  return as_float16(max(as_int16(a), as_int16(b)));
}
FOLD(fold_bits, larger_bits)
OF_LANES(largest_bits_of_lanes, fold_bits)

// Units u ... u + N - 1, N 1 or 2, of a tile of n tokens, [BYTE_ROWS, TILE]; tokens that are not there are those that
// are. As round_row, a token a lane.
INLINE void round_units(__global float* out, GLOBAL float* rows, const long ld, const int u, const int n,
                        const int N) {
  float16 scale[2], words[16];
  float inv[2][16];
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float16 v[TILE];
#pragma unroll
    for (int t = 0; t < TILE; ++t) {
      GLOBAL float* columns = rows + min(t, n - 1) * ld + 32 * (u + i);
      v[t] = larger_bits(fabs(load16(columns)), fabs(load16(columns + 16)));
    }
    const float16 largest = largest_bits_of_lanes(v, TILE);
    keep16(select((float16)(0.0f), 127.0f / largest, largest > 0.0f), inv[i]);
    scale[i] = select((float16)(NAN), largest / 127.0f, largest < INFINITY);
  }
#pragma unroll
  for (int t = 0; t < TILE; ++t) {
    GLOBAL float* columns = rows + min(t, n - 1) * ld + 32 * u;
    int4 w[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < 2 * N; ++i) {
      const float16 nearest = load16(columns + 16 * i) * inv[i / 2][t] + BYTE_IN_BITS;
      w[i] = as_int4(convert_uchar16(as_int16(nearest) & 255)) ^ (int4)(0x80808080);
    }
    words[t] = as_float16((int16)(w[0], w[1], w[2], w[3]));
  }
#pragma unroll
  for (int t = TILE; t < 16; ++t) words[t] = 0.0f;
  turn16(words);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    __global float* unit = out + i * BYTE_ROWS * TILE;
    // A row covers what the one before it wrote beyond its twelve lanes.
#pragma unroll
    for (int c = 0; c < QUADS; ++c) store16(words[i * QUADS + c], unit + c * TILE);
    const float16 first = convert_float16(sum_of_bytes(words + i * QUADS) - 16 * 128);
    const float16 second = convert_float16(sum_of_bytes(words + i * QUADS + 4) - 16 * 128);
    store16(scale[i], unit + QUADS * TILE);
    store16(first * scale[i], unit + (QUADS + 1) * TILE);
    store16(second * scale[i], unit + (QUADS + 2) * TILE);
    const float16 all = (first + second) * scale[i];
    vstore8(all.lo, 0, unit + (QUADS + 3) * TILE);
    vstore4(all.hi.lo, 0, unit + (QUADS + 3) * TILE + 8);
  }
}

// A tile of n tokens, whose rows are ld floats apart.
INLINE void round_tile(__global float* out, GLOBAL float* rows, const long ld, const int padded_D, const int n) {
  const int units = padded_D / 32;
  int u = 0;
  for (; u + 2 <= units; u += 2) round_units(out + u * BYTE_ROWS * TILE, rows, ld, u, n, 2);
  if (u < units) round_units(out + u * BYTE_ROWS * TILE, rows, ld, u, n, 1);
}
#else
INLINE void round_tile(__global float* out, __global float* rows, const long ld, const int padded_D,
                       const int n) {
  for (int t = 0; t < n; ++t) {
    __global float* row = rows + t * ld;
    finish_row(row, padded_D);
    for (int u = 0; u < padded_D / 32; ++u) {
      GLOBAL float* sums = row + padded_D + 2 * u;
      const float scale = row[padded_D + padded_D / 16 + u], first = sums[0], second = sums[1];
      uint words[BYTE_ROWS];
      for (int i = 0; i < 2; ++i) {
        const uint4 columns = as_uint4(convert_uchar16(load16(row + 32 * u + 16 * i) + 128.0f));
        vstore4(columns, i, words);
      }
      const float4 scaled = (float4)(1.0f, first, second, first + second) * scale;
      vstore4(as_uint4(scaled), 2, words);
      for (int c = 0; c < BYTE_ROWS; ++c) out[(u * BYTE_ROWS + c) * TILE + t] = as_float(words[c]);
    }
  }
}
#endif

// The input of cl/matmul_int8.cl and of cl/matmul_each.cl, and from it that of cl/matmul.cl for types that have no
// form in bytes.
//   prepared [T / TILE, padded_D / 32, BYTE_ROWS, TILE]   words of four columns from 1 to 255 (128 is 0), the
//            scale, the sums of each half and of all times the scale
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
    const long tile_from = (long)(first_row + i * TILE) * D;
    __global float* out = (__global float*)prepared + (long)i * units * BYTE_ROWS * TILE;
#if TILE == 12
    if (mode == INPUT_PLAIN && D == padded_D) {
      round_tile(out, x + tile_from, D, padded_D, n);
      continue;
    }
#endif
    for (int t = 0; t < n; ++t) {
      const long from = tile_from + (long)t * D;
      fetch_row(x + from + D, D);
      prepare_row(rows + t * ld, x + from, norm_weight, delta + from, delta_norm_weight,
                  sum + (long)(i * TILE + t) * D, D, padded_D, eps, mode);
    }
    round_tile(out, rows, ld, padded_D, n);
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
