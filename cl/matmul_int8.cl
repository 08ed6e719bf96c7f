// The tile product of cl/matmul_panels.cl with activations in 8 bits, by the dot product of AVX-512 VNNI: four
// columns of sixteen rows at a time. Sums of a block are exact, so the bits are those of cl/matmul.cl.
//
//   prepared [T / TILE, padded_K / 32, BYTE_ROWS, TILE]   words of four columns, a + 128 a byte; then floats:
//            the scale, and scaled the sums of each half of the unit and of all
//   panel    of a block of columns that share scales: words of four columns [32 rows], what the 128 adds to
//            each row, d[32], m[32]
#define BLOCK_QUADS (SCALE_COLUMNS / 4)
#define PANEL_ROWS (BLOCK_QUADS + 1 + SCALE_ROWS)  // of 32 words
#define CHUNK 8                                    // units that a panel holds
#define PANEL_WORDS (CHUNK * 14 * 32)  // of the type that needs most: two blocks a unit, with minimum
#define UNIT_ROWS BYTE_ROWS
typedef int panel_word;

INLINE void store_int16(const int16 v, __global int* p) { store16(as_float16(v), (__global float*)p); }

// Units first ... first + n - 1 of row block w to a panel, from lane `at` on.
INLINE void unpack_block(__global int* panel, GLOBAL uchar* w, const int first, const int n,
                         const int at) {
  for (int i = first; i < first + n; ++i) {
    GLOBAL uchar* super = w + (long)(i / SUPER_UNITS) * SUPER_BYTES;
    const int u = i % SUPER_UNITS;
#pragma unroll
    for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
      __global int* out = panel + ((i - first) * SCALES_A_UNIT + half_unit) * PANEL_ROWS * 32 + at;
      int16 added = 0;
#pragma unroll
      for (int j = 0; j < BLOCK_QUADS; ++j) {
        const int16 quad = signed_quad(super + HEADER_BYTES + u * UNIT_BYTES, half_unit * 4 + j);
        added = dot4(added, (int16)(0x80808080), quad);
        store_int16(quad, out + j * 32);
      }
      store_int16(-added, out + BLOCK_QUADS * 32);
      float16 d, m;
      unit_scales(super, u, half_unit, &d, &m);
      store_int16(as_int16(d), out + (BLOCK_QUADS + 1) * 32);
#ifdef HAS_MIN
      store_int16(as_int16(m), out + (BLOCK_QUADS + 2) * 32);
#endif
    }
  }
}

// in[t] = dot4(in[t], a[t], w) of one quad, for N tokens; sums that begin are c.
INLINE void byte_column(int16* in0, int16* in1, GLOBAL int* w, GLOBAL int* a, const int16 c0,
                        const int16 c1, const int begins, const int N) {
  const int16 w0 = vload16(0, w), w1 = vload16(1, w);
#pragma unroll
  for (int t = 0; t < N; ++t) {
    const int16 v = a[t];
    in0[t] = dot4(begins ? c0 : in0[t], v, w0);
    in1[t] = dot4(begins ? c1 : in1[t], v, w1);
  }
}

// acc[t][32] += the product of a panel of `units` units with N tokens of one tile (from `a` on). The tile that
// is read next lies `next` words further on.
INLINE void matmul_tile(__global float* acc, GLOBAL int* panel, GLOBAL int* a, const long next,
                        const int units, const int N) {
  for (int b = 0; b < units * SCALES_A_UNIT; ++b) {
    GLOBAL int* au = a + b % SCALES_A_UNIT * BLOCK_QUADS * TILE;
    GLOBAL float* after = (GLOBAL float*)(panel + (BLOCK_QUADS + 1) * 32);
    const int16 c0 = vload16(2 * BLOCK_QUADS, panel), c1 = vload16(2 * BLOCK_QUADS + 1, panel);
    int16 in0[TILE], in1[TILE];
    byte_column(in0, in1, panel, au, c0, c1, 1, N);
#pragma unroll
    for (int j = 1; j < BLOCK_QUADS; ++j) {
      PREFETCH(au + j * TILE + next);
      byte_column(in0, in1, panel + j * 32, au + j * TILE, c0, c1, 0, N);
    }
    const float16 d0 = vload16(0, after), d1 = vload16(1, after);
#ifdef HAS_MIN
    const float16 m0 = vload16(2, after), m1 = vload16(3, after);
    GLOBAL float* block_sums =
        (GLOBAL float*)a + (QUADS + 1 + BLOCK_SUM_ROW(b % SCALES_A_UNIT)) * TILE;
#endif
    GLOBAL float* scales = (GLOBAL float*)a + QUADS * TILE;
#pragma unroll
    for (int t = 0; t < N; ++t) {
#if CODE_FACTOR > 1
      const float16 f0 = convert_float16(in0[t]) / CODE_FACTOR * scales[t];
      const float16 f1 = convert_float16(in1[t]) / CODE_FACTOR * scales[t];
#else
      const float16 f0 = convert_float16(in0[t]) * scales[t];
      const float16 f1 = convert_float16(in1[t]) * scales[t];
#endif
      float16 v0 = fma(d0, f0, vload16(2 * t, acc));
      float16 v1 = fma(d1, f1, vload16(2 * t + 1, acc));
#ifdef HAS_MIN
      v0 = fma(m0, (float16)(block_sums[t]), v0);
      v1 = fma(m1, (float16)(block_sums[t]), v1);
#endif
      store16(v0, acc + t * 32);
      store16(v1, acc + t * 32 + 16);
    }
    panel += PANEL_ROWS * 32;
    if (b % SCALES_A_UNIT == SCALES_A_UNIT - 1) a += BYTE_ROWS * TILE;
  }
}
