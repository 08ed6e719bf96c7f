// The tile of cl/matmul_few.cl in float32.
//   a [padded_K / 32, FEW_ROWS, N]   32 columns, the sums of each half of them, of all, and where INT8 the scale,
//                                    by which the sums are multiplied already
#define FEW_ROWS PREPARED_ROWS

// Unit u of the input of N tokens, whose rows are row[0 ... N - 1].
INLINE void few_unit(__global float* a, GLOBAL float* const* row, const int u,
                     __global float* turned, const int N) {
  turn_columns(a, row, 32 * u, N);
  turn_columns(a + 16 * N, row, 32 * u + 16, N);
  float16 scale = 1.0f;
#ifdef INT8
  scale = round_unit(a, N);
  store_tokens(scale, a + SCALE_ROW * N, N);
#endif
#ifdef HAS_MIN
  const float16 first = sum_of_columns(a, N), second = sum_of_columns(a + 16 * N, N);
  store_tokens(first * scale, a + 32 * N, N);
  store_tokens(second * scale, a + 33 * N, N);
  store_tokens((first + second) * scale, a + 34 * N, N);
#endif
}

// in[t] = fma(q, a[t], in[t]) of one column of two row blocks, for N tokens.
INLINE void few_column(float16* in0, float16* in1, const float16 q0, const float16 q1,
                       GLOBAL float* a, const int begins, const int N) {
#pragma unroll
  for (int t = 0; t < N; ++t) {
    const float16 v = a[t];
    in0[t] = fma(q0, v, begins ? (float16)(0.0f) : in0[t]);
    in1[t] = fma(q1, v, begins ? (float16)(0.0f) : in1[t]);
  }
}

// acc[2 t], acc[2 t + 1] += the product of the row blocks at w and `second` bytes further on with the tokens of a
// tile. Two row blocks that are `ahead` bytes long are read next.
INLINE void few_tile(float16* acc, GLOBAL uchar* w, const long second, const long ahead,
                     GLOBAL float* a, const int K, const int N) {
  const int supers = SUPERS(K);
  const long far = min(ahead, (long)FEW_AHEAD);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u, a += FEW_ROWS * N) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      GLOBAL uchar* next = unit + far + (unit - w + far < ahead ? 0 : ahead);
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        float16 in0[FEW_TOKENS], in1[FEW_TOKENS];
#ifndef BY_BLOCK
#pragma unroll
        for (int t = 0; t < N; ++t) {
          in0[t] = acc[2 * t];
          in1[t] = acc[2 * t + 1];
        }
#endif
#pragma unroll
        for (int j = 0; j < SCALE_COLUMNS / 2; ++j) {
          const int i = half_unit * 8 + j;
          float16 q0, q1, r0, r1;
#pragma unroll
          for (int line = LINE_OF_PAIR(i); line < LINE_OF_PAIR(i + 1); ++line) {
            PREFETCH(next + line * 64);
            PREFETCH(next + second + line * 64);
          }
          unit_pair(unit, i, &q0, &q1);
          unit_pair(unit + second, i, &r0, &r1);
#ifdef BY_BLOCK
          few_column(in0, in1, q0, r0, a + 2 * i * N, j == 0, N);
#else
          few_column(in0, in1, q0, r0, a + 2 * i * N, 0, N);
#endif
          few_column(in0, in1, q1, r1, a + (2 * i + 1) * N, 0, N);
        }
#ifdef BY_BLOCK
        float16 d0 = 1.0f, d1 = 1.0f, m0, m1;
        unit_scales(super, u, half_unit, &d0, &m0);
        unit_scales(super + second, u, half_unit, &d1, &m1);
  #ifdef HAS_MIN
        GLOBAL float* sums = a + (UNIT_COLUMNS + BLOCK_SUM_ROW(half_unit)) * N;
  #endif
#pragma unroll
        for (int t = 0; t < N; ++t) {
  #ifdef INT8
          in0[t] *= a[SCALE_ROW * N + t];
          in1[t] *= a[SCALE_ROW * N + t];
  #endif
          acc[2 * t] = fma(d0, in0[t], acc[2 * t]);
          acc[2 * t + 1] = fma(d1, in1[t], acc[2 * t + 1]);
  #ifdef HAS_MIN
          acc[2 * t] = fma(m0, (float16)(sums[t]), acc[2 * t]);
          acc[2 * t + 1] = fma(m1, (float16)(sums[t]), acc[2 * t + 1]);
  #endif
        }
#else
#pragma unroll
        for (int t = 0; t < N; ++t) {
          acc[2 * t] = in0[t];
          acc[2 * t + 1] = in1[t];
        }
#endif
      }
    }
  }
}
