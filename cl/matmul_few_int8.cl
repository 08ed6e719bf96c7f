// The tile of cl/matmul_few.cl with activations in 8 bits: four columns of sixteen rows at a time
// (cl/code_bytes.cl). Sums of a block are exact, so the bits are those of cl/matmul_few_float.cl.
//   a [padded_K / 32, FEW_ROWS, N]   signed bytes, words of four columns; then of each half of the unit and of all
//                                    what sums begin with, which takes CODE_ZERO back; then floats: the scale, and
//                                    scaled the sums of each half of the unit and of all
#define FIRST_ROW QUADS  // words
#define BYTE_SCALE_ROW (QUADS + 3)
#define BYTE_SUM_ROW (QUADS + 4)
#define FEW_ROWS (QUADS + 7)
#define BLOCK_QUADS (SCALE_COLUMNS / 4)

// What has values [4][N] of four columns and N tokens, to the tokens' words.
INLINE void store_words(GLOBAL float* v, __global int* out, const int N) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int16 w = (convert_int16(load16(v)) & 255) << (lanes / N * 8);
  if (N == 8) w |= (convert_int16(load16(v + 16)) & 255) << (lanes / N * 8 + 16);
  if (N == 2) w = select(w, (int16)(0), lanes >= 8);
  w |= w.s89abcdef01234567;
  if (N <= 4) w |= w.s456789abcdef0123;
  if (N <= 2) w |= w.s23456789abcdef01;
  store_tokens(as_float16(w), (__global float*)out, N);
}

// Unit u of the input of N tokens, whose rows are row[0 ... N - 1]. turned [34, N]: scratch
INLINE void few_unit(__global float* packed, GLOBAL float* const* row, const int u,
                     __global float* turned, const int N) {
  __global int* a = (__global int*)packed;
  turn_columns(turned, row, 32 * u, N);
  turn_columns(turned + 16 * N, row, 32 * u + 16, N);
  const float16 scale = round_unit(turned, N);
#pragma unroll
  for (int q = 0; q < QUADS; ++q) store_words(turned + 4 * q * N, a + q * N, N);
  const float16 first = sum_of_columns(turned, N), second = sum_of_columns(turned + 16 * N, N);
#if CODE_ZERO > 0
  store_tokens(as_float16(-CODE_ZERO * convert_int16(first)), packed + FIRST_ROW * N, N);
  store_tokens(as_float16(-CODE_ZERO * convert_int16(second)), packed + (FIRST_ROW + 1) * N, N);
  store_tokens(as_float16(-CODE_ZERO * convert_int16(first + second)), packed + (FIRST_ROW + 2) * N, N);
#endif
  store_tokens(scale, packed + BYTE_SCALE_ROW * N, N);
#ifdef HAS_MIN
  store_tokens(first * scale, packed + BYTE_SUM_ROW * N, N);
  store_tokens(second * scale, packed + (BYTE_SUM_ROW + 1) * N, N);
  store_tokens((first + second) * scale, packed + (BYTE_SUM_ROW + 2) * N, N);
#endif
}

// in[t] = dot4(in[t], w, a[t]) of one quad of two row blocks, for N tokens.
INLINE void few_quad(int16* in0, int16* in1, const int16 w0, const int16 w1, GLOBAL int* a,
                     GLOBAL int* first, const int begins, const int N) {
#pragma unroll
  for (int t = 0; t < N; ++t) {
    const int16 v = a[t];
    const int16 begin = CODE_ZERO > 0 ? first[t] : 0;
    in0[t] = dot4(begins ? begin : in0[t], w0, v);
    in1[t] = dot4(begins ? begin : in1[t], w1, v);
  }
}

// acc + d * (in * scale), and + m * sum.
INLINE float16 few_sum(const float16 acc, const int16 in, const float16 d, const float16 m,
                       const float scale, const float sum) {
#if CODE_FACTOR > 1
  const float16 f = convert_float16(in) / CODE_FACTOR * scale;
#else
  const float16 f = convert_float16(in) * scale;
#endif
#ifdef HAS_MIN
  return fma(m, (float16)(sum), fma(d, f, acc));
#else
  return fma(d, f, acc);
#endif
}

// As in cl/matmul_few_float.cl.
INLINE void few_tile(float16* acc, GLOBAL uchar* w, const long second, const long ahead,
                     GLOBAL float* packed, const int K, const int N) {
  const int supers = SUPERS(K);
  const long far = min(ahead, (long)FEW_AHEAD);
  GLOBAL int* a = (GLOBAL int*)packed;
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u, a += FEW_ROWS * N) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      GLOBAL uchar* next = unit + far + (unit - w + far < ahead ? 0 : ahead);
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        int16 in0[FEW_TOKENS], in1[FEW_TOKENS];
#pragma unroll
        for (int j = 0; j < BLOCK_QUADS; ++j) {
          const int i = half_unit * 4 + j;
#pragma unroll
          for (int line = LINE_OF_PAIR(2 * i); line < LINE_OF_PAIR(2 * i + 2); ++line) {
            PREFETCH(next + line * 64);
            PREFETCH(next + second + line * 64);
          }
          few_quad(in0, in1, unsigned_quad(unit, i), unsigned_quad(unit + second, i), a + i * N,
                   a + (FIRST_ROW + BLOCK_SUM_ROW(half_unit)) * N, j == 0, N);
        }
        float16 d0, d1, m0, m1;
        unit_scales(super, u, half_unit, &d0, &m0);
        unit_scales(super + second, u, half_unit, &d1, &m1);
        GLOBAL float* scales = (GLOBAL float*)a + BYTE_SCALE_ROW * N;
        GLOBAL float* sums = (GLOBAL float*)a + (BYTE_SUM_ROW + BLOCK_SUM_ROW(half_unit)) * N;
#pragma unroll
        for (int t = 0; t < N; ++t) {
          acc[2 * t] = few_sum(acc[2 * t], in0[t], d0, m0, scales[t], sums[t]);
          acc[2 * t + 1] = few_sum(acc[2 * t + 1], in1[t], d1, m1, scales[t], sums[t]);
        }
      }
    }
  }
}
