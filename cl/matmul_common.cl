// Products with a packed matrix (cl/weights.cl):  y[t, o] = sum_k W[o, k] * a[t, k]
//
// Every kernel of these files adds in the same order, so they give the same bits, and which one runs is a question
// of speed alone. Of each block of columns that share a scale d and a minimum m:
//   in = fma(q, a, in), k ascending from in = 0;  acc = fma(d, in, acc);  acc = fma(m, sum of a, acc)
// and acc = fma(w, a, acc), k ascending, for a plain type. docs/adr/0002-one-order-of-sums.md
// Where INT8, a is whole numbers and a scale for each 32 columns: in is multiplied by it, and a plain type
// is added by blocks of 32, too, with d = 1.
//   matvec         one row, CPU devices; bandwidth bound
//   matmul_panels  many rows in tiles (matmul_prepare), CPU devices; compute bound: with the tile product of
//                  matmul.cl, or that of matmul_int8.cl
//   matmul_each, matvec_group, matmul_group (files of their names): GPU devices
//
// Here is what they share: how the input is made (src/ops/matmul.h, MatmulInput; RMSNorm: Zhang & Sennrich
// 2019, eq. 4) and what happens to the output. Sums run over sixteen lanes and then a fixed tree.
#define INPUT_PLAIN 0
#define INPUT_NORM 1
#define INPUT_RESIDUAL_NORM 2

// A unit of the input (cl/matmul_prepare.cl): 32 columns, the sums of each half of them, of all, the scale.
#define PREPARED_ROWS 36
#define SCALE_ROW 35  // where INT8
#define ROW_FLOATS(padded_D) ((padded_D) + (padded_D) / 16 + (padded_D) / 32)  // columns, sums, scales
#define BLOCK_SUM_ROW(half_unit) (SCALES_A_UNIT == 2 ? (half_unit) : 2)  // after the columns
// A unit where products use bytes (cl/matmul_prepare_int8.cl): words of four columns, the scale, the sums.
#define QUADS 8
#define BYTE_ROWS (QUADS + 4)

#ifndef TILE
  #define TILE 12  // tokens a register tile: 12 x 2 vectors of sums; with 14 x 2 compilers lack registers
#endif
#define FEW 4    // the same for what is left over; or twice as many

#define FEW_TOKENS 8  // of the largest tile of cl/matmul_few.cl
#define FEW_SPACE (UNIT_COLUMNS * FEW_TOKENS)

// A row block is a stream of its own, often shorter than what a core's prefetcher needs to notice one.
#define AHEAD 1536  // bytes
#ifndef FEW_AHEAD
#define FEW_AHEAD 6144
#endif
#define LINE_OF_PAIR(i) ((i) * UNIT_BYTES / 16 / 64)  // the cache line of a unit where its codes begin

#if defined(CODE_BITS) || defined(INT8)
  #define BY_BLOCK
#endif
#ifndef CODE_BITS
  #define SCALE_ROWS 0
#elif defined(HAS_MIN)
  #define SCALE_ROWS 2
#else
  #define SCALE_ROWS 1
#endif

#define EPILOGUE_STORE 0
#define EPILOGUE_ADD 1
#define EPILOGUE_SOFT_CAP 2  // only in programs with SOFT_CAP, the cap, defined
#define EPILOGUE_MUL_SILU 3  // these two only in programs with MUL_GATE defined
#define EPILOGUE_MUL_GELU 4
#define EPILOGUE_SILU_GATE 5
#define EPILOGUE_GELU_GATE 6
#define IS_GATED(epilogue) ((epilogue) >= EPILOGUE_SILU_GATE)

INLINE float inv_rms(GLOBAL float* x, const int D, const float eps) {
  float16 sum = 0.0f;
  for (int d = 0; d < D; d += 16) {
    const float16 v = load_partial16(x + d, D - d);
    sum = fma(v, v, sum);
  }
  return 1.0f / sqrt(sum16(sum) / (float)D + eps);
}

// What a row will be read from, when the one before it has been.
INLINE void fetch_row(GLOBAL float* x, const int D) {
  for (int d = 0; d < D; d += CACHE_LINE / 4) PREFETCH(x + d);
}

// One row of the input into row[0, D), zeros up to padded_D. `sum`, where not null, gets x + the
// normed delta. row may not overlap the inputs.
INLINE void prepare_row(__global float* row, GLOBAL float* x, GLOBAL float* norm_weight,
                        GLOBAL float* delta, GLOBAL float* delta_norm_weight, __global float* sum,
                        const int D, const int padded_D, const float eps, const int mode) {
  if (mode == INPUT_RESIDUAL_NORM) {
    const float inv = inv_rms(delta, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 normed =
          load_partial16(delta + d, D - d) * inv * load_partial16(delta_norm_weight + d, D - d);
      const float16 v = load_partial16(x + d, D - d) + normed;
      store_partial16(v, row + d, D - d);
      if (sum) store_partial16(v, sum + d, D - d);
    }
  }
  if (mode == INPUT_PLAIN) {
    for (int d = 0; d < D; d += 16) store_partial16(load_partial16(x + d, D - d), row + d, D - d);
  } else {
    GLOBAL float* plain = mode == INPUT_NORM ? x : row;
    const float inv = inv_rms(plain, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 v = load_partial16(plain + d, D - d) * inv;
      store_partial16(v * load_partial16(norm_weight + d, D - d), row + d, D - d);
    }
  }
  for (int d = D; d < padded_D; ++d) row[d] = 0.0f;
}

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

// sums[i] = row[16 i] + ... + row[16 i + 15], in a fixed tree: what a type's minimum is multiplied by.
INLINE void sum_columns(__global float* sums, GLOBAL float* row, const int padded_D) {
  for (int i = 0; i < padded_D / 16; ++i) sums[i] = sum16(load16(row + 16 * i));
}

// Floats that are not negative are in the order of their bits, and after them what is no number.
INLINE int largest_bits(const int16 v) {
  const int8 a = max(v.lo, v.hi);
  const int4 b = max(a.lo, a.hi);
  const int2 c = max(b.lo, b.hi);
  return max(c.x, c.y);
}

// The option activations = int8: each 32 columns of a row become whole numbers from -127 to 127 and a
// scale. Products of them are exact, so how they are added is free; a NaN or an infinity makes the scale NaN.
INLINE void round_row(__global float* row, __global float* scales, const int padded_D) {
  for (int u = 0; u < padded_D / 32; ++u) {
    const float16 a = load16(row + 32 * u), b = load16(row + 32 * u + 16);
    const float largest = as_float(largest_bits(max(as_int16(fabs(a)), as_int16(fabs(b)))));
    const float inv = largest > 0.0f ? 127.0f / largest : 0.0f;
    store16(nearest16(a * inv), row + u * 32);
    store16(nearest16(b * inv), row + u * 32 + 16);
    scales[u] = largest < INFINITY ? largest / 127.0f : NAN;
  }
}

// One row of the input with its sums, and rounded where INT8: see ROW_FLOATS.
INLINE void finish_row(__global float* row, const int padded_D) {
#ifdef INT8
  round_row(row, row + padded_D + padded_D / 16, padded_D);
#endif
  sum_columns(row + padded_D, row, padded_D);
}

// gate / (1 + exp(-gate)) and the tanh form of gelu, which is gate / (1 + exp(-2u)).
INLINE float16 gated(const float16 gate, const float16 up, const int gelu) {
  float16 u = gate;
  if (gelu) {
    u = 1.5957691216057308f * fma(0.044715f * gate * gate, gate, gate);  // 2 sqrt(2 / pi) (...)
  }
  return gate / (1.0f + exp16(-u)) * up;
}

// A sum begins with its bias, of which there are whole row blocks.
INLINE float16 first_sum(GLOBAL float* bias, const int row_block, const int has_bias) {
  return has_bias ? vload16(row_block, bias) : (float16)(0.0f);
}

// What becomes of a sum that no neighbour gates. `other`: what stands at its place in the residual, or
// in the gate.
#ifdef MUL_GATE
  #define READS_OTHER(epilogue) ((epilogue) != EPILOGUE_STORE)
#else
  #define READS_OTHER(epilogue) ((epilogue) == EPILOGUE_ADD)
#endif
INLINE float16 outcome(const float16 sum, const float16 other, const int epilogue) {
#ifdef SOFT_CAP
  return SOFT_CAP * tanh16(sum / SOFT_CAP);
#endif
#ifdef MUL_GATE
  if (epilogue != EPILOGUE_ADD) return gated(other, sum, epilogue == EPILOGUE_MUL_GELU);
#endif
  return epilogue == EPILOGUE_ADD ? sum + other : sum;
}

INLINE void finish(const float16 sum, __global float* y, GLOBAL float* residual, const int row,
                   const int rows, const int epilogue) {
  float16 other = 0.0f;
  if (READS_OTHER(epilogue)) other = load_partial16(residual + row, rows - row);
  store_partial16(outcome(sum, other, epilogue), y + row, rows - row);
}
