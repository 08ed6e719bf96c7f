// The tile product of cl/matmul_panels.cl in float32.
//   panel    of a block of columns that share scales: the columns [32 rows], d[32], m[32]
#define PANEL_ROWS (SCALE_COLUMNS + SCALE_ROWS)  // of 32 values: columns that share scales, then the scales
#define CHUNK 2  // units of 32 columns that a panel holds: it and a tile of the input stay in the first cache
#define PANEL_WORDS (CHUNK * 36 * 32)  // of the type that needs most: two blocks a unit, with minimum
#define UNIT_ROWS PREPARED_ROWS
typedef float panel_word;

// Units first ... first + n - 1 of row block w to a panel, from lane `at` on.
INLINE void unpack_block(__global float* panel, GLOBAL uchar* w, const int first, const int n,
                         const int at) {
  for (int i = first; i < first + n; ++i) {
    GLOBAL uchar* super = w + (long)(i / SUPER_UNITS) * SUPER_BYTES;
    const int u = i % SUPER_UNITS;
    GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
#pragma unroll
    for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
      __global float* out =
          panel + ((i - first) * SCALES_A_UNIT + half_unit) * PANEL_ROWS * 32 + at;
#pragma unroll
      for (int j = 0; j < SCALE_COLUMNS / 2; ++j) {
        float16 q0, q1;
        unit_pair(unit, half_unit * 8 + j, &q0, &q1);
        store16(q0, out + (2 * j) * 32);
        store16(q1, out + (2 * j + 1) * 32);
      }
#ifdef CODE_BITS
      float16 d, m;
      unit_scales(super, u, half_unit, &d, &m);
      store16(d, out + SCALE_COLUMNS * 32);
  #ifdef HAS_MIN
      store16(m, out + (SCALE_COLUMNS + 1) * 32);
  #endif
#endif
    }
  }
}

// in[t] = fma(w, a[t], in[t]) of one column, for N tokens.
INLINE void tile_column(float16* in0, float16* in1, GLOBAL float* w, GLOBAL float* a,
                        const int begins, const int N) {
  const float16 w0 = vload16(0, w), w1 = vload16(1, w);
#pragma unroll
  for (int t = 0; t < N; ++t) {
    const float16 v = a[t];
    in0[t] = fma(w0, v, begins ? (float16)(0.0f) : in0[t]);
    in1[t] = fma(w1, v, begins ? (float16)(0.0f) : in1[t]);
  }
}

// acc[t][32] += the product of a panel of `units` units with N tokens of one tile (from `a` on). The sums
// lie in memory: with those of a block there would be too many for the registers. The tile that is read
// next lies `next` values further on.
INLINE void matmul_tile(__global float* acc, GLOBAL float* panel, GLOBAL float* a, const long next,
                        const int units, const int N) {
  for (int b = 0; b < units * SCALES_A_UNIT; ++b) {
    GLOBAL float* au = a + b % SCALES_A_UNIT * SCALE_COLUMNS * TILE;
    float16 in0[TILE], in1[TILE];
#ifdef BY_BLOCK
    tile_column(in0, in1, panel, au, 1, N);
    for (int k = 1; k < SCALE_COLUMNS; ++k) {
      PREFETCH(au + k * TILE + next);
      tile_column(in0, in1, panel + k * 32, au + k * TILE, 0, N);
    }
    GLOBAL float* scales = panel + SCALE_COLUMNS * 32;
  #ifdef CODE_BITS
    const float16 d0 = vload16(0, scales), d1 = vload16(1, scales);
  #else
    const float16 d0 = 1.0f, d1 = 1.0f;
  #endif
  #ifdef HAS_MIN
    const float16 m0 = vload16(2, scales), m1 = vload16(3, scales);
    GLOBAL float* block_sums = a + (UNIT_COLUMNS + BLOCK_SUM_ROW(b % SCALES_A_UNIT)) * TILE;
  #endif
#pragma unroll
    for (int t = 0; t < N; ++t) {
  #ifdef INT8
      in0[t] *= a[SCALE_ROW * TILE + t];
      in1[t] *= a[SCALE_ROW * TILE + t];
  #endif
      float16 v0 = fma(d0, in0[t], vload16(2 * t, acc));
      float16 v1 = fma(d1, in1[t], vload16(2 * t + 1, acc));
  #ifdef HAS_MIN
      v0 = fma(m0, (float16)(block_sums[t]), v0);
      v1 = fma(m1, (float16)(block_sums[t]), v1);
  #endif
      store16(v0, acc + t * 32);
      store16(v1, acc + t * 32 + 16);
    }
#else
#pragma unroll
    for (int t = 0; t < N; ++t) {
      in0[t] = vload16(2 * t, acc);
      in1[t] = vload16(2 * t + 1, acc);
    }
    for (int k = 0; k < SCALE_COLUMNS; ++k) {
      PREFETCH(au + k * TILE + next);
      tile_column(in0, in1, panel + k * 32, au + k * TILE, 0, N);
    }
#pragma unroll
    for (int t = 0; t < N; ++t) {
      store16(in0[t], acc + t * 32);
      store16(in1[t], acc + t * 32 + 16);
    }
#endif
    panel += PANEL_ROWS * 32;
    if (b % SCALES_A_UNIT == SCALES_A_UNIT - 1) a += PREPARED_ROWS * TILE;
  }
}
