// The input of cl/matmul_few.cl: tokens side by side, as vectors [c][t] of 16 columns and N tokens, N one of 2, 4
// and 8. What belongs to a token is a vector whose lane i is that of token i % N.

// The lanes of two vectors in turn.
INLINE float16 riffle_low(const float16 a, const float16 b) {
  return (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,  //
                   a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
}
INLINE float16 riffle_high(const float16 a, const float16 b) {
  return (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,  //
                   a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
}

// out[c][t] = rows[t][c] of 16 columns and 2, 4 or 8 tokens.
INLINE void turn2(__global float* out, const float16 a, const float16 b) {
  store16(riffle_low(a, b), out);
  store16(riffle_high(a, b), out + 16);
}
INLINE void turn4(__global float* out, const float16 a, const float16 b, const float16 c,
                  const float16 d) {
  turn2(out, riffle_low(a, c), riffle_low(b, d));
  turn2(out + 32, riffle_high(a, c), riffle_high(b, d));
}
INLINE void turn8(__global float* out, GLOBAL float* const* row, const int at) {
  const float16 a0 = load16(row[0] + at), a4 = load16(row[4] + at);
  const float16 a1 = load16(row[1] + at), a5 = load16(row[5] + at);
  const float16 a2 = load16(row[2] + at), a6 = load16(row[6] + at);
  const float16 a3 = load16(row[3] + at), a7 = load16(row[7] + at);
  turn4(out, riffle_low(a0, a4), riffle_low(a1, a5), riffle_low(a2, a6), riffle_low(a3, a7));
  turn4(out + 64, riffle_high(a0, a4), riffle_high(a1, a5), riffle_high(a2, a6),
        riffle_high(a3, a7));
}

INLINE void turn_columns(__global float* out, GLOBAL float* const* row, const int at, const int N) {
  if (N == 8) {
    turn8(out, row, at);
  } else if (N == 4) {
    turn4(out, load16(row[0] + at), load16(row[1] + at), load16(row[2] + at), load16(row[3] + at));
  } else {
    turn2(out, load16(row[0] + at), load16(row[1] + at));
  }
}

// The first N lanes.
INLINE void store_tokens(const float16 v, __global float* out, const int N) {
  if (N == 8) {
    vstore8(v.lo, 0, out);
  } else if (N == 4) {
    vstore4(v.lo.lo, 0, out);
  } else {
    vstore2(v.lo.lo.lo, 0, out);
  }
}

// Of 16 columns, one value a token, in the tree of sum16 and max16. A body only: the resident kernel finds
// functions by lines that begin with INLINE.
#define OF_COLUMNS(OP, v, N)                                                                  \
  float16 r;                                                                                  \
  if (N == 8) {                                                                               \
    r = OP(OP(OP(v[0], v[4]), OP(v[2], v[6])), OP(OP(v[1], v[5]), OP(v[3], v[7])));           \
  } else if (N == 4) {                                                                        \
    r = OP(OP(v[0], v[2]), OP(v[1], v[3]));                                                   \
  } else {                                                                                    \
    r = OP(v[0], v[1]);                                                                       \
  }                                                                                           \
  r = OP(r, r.s89abcdef01234567);                                                             \
  if (N <= 4) r = OP(r, r.s456789abcdef0123);                                                 \
  if (N <= 2) r = OP(r, r.s23456789abcdef01);                                                 \
  return r;
INLINE float16 sum_of_tokens(const float16* v, const int N) { OF_COLUMNS(SUM_OF, v, N) }
INLINE float16 largest_of_tokens(const float16* v, const int N) { OF_COLUMNS(fmax, v, N) }

INLINE float16 sum_of_columns(GLOBAL float* a, const int N) {
  float16 v[FEW_TOKENS];
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] = load16(a + 16 * i);
  return sum_of_tokens(v, N);
}

#ifdef INT8
// As round_row, of a unit [32, N]; returns the scale.
INLINE float16 round_unit(__global float* a, const int N) {
  float16 v[FEW_TOKENS], spoiled[FEW_TOKENS];
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float16 low = load16(a + 16 * i), high = load16(a + 16 * (N + i));
    v[i] = fmax(fabs(low), fabs(high));
    spoiled[i] = fma(low, 0.0f, high * 0.0f);
  }
  const float16 largest = largest_of_tokens(v, N);
  const float16 inv = select((float16)(0.0f), 127.0f / largest, largest > 0.0f);
#pragma unroll
  for (int i = 0; i < 2 * N; ++i) store16(nearest16(load16(a + 16 * i) * inv), a + 16 * i);
  return largest / 127.0f + sum_of_tokens(spoiled, N);
}
#endif
