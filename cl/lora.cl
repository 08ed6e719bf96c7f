// Low-rank adapters beside linear layers (Hu et al. 2021):  y[t, :] += coef[t] * B (A a[t, :])
// for up to three layers that read the same input a (cl/matmul_common.cl says how it is made). A token
// whose coefficient is 0 is left alone: its y keeps its bits.
//   A [R, D16]  the layers' rows above each other, zeros from column D on; D16: D rounded up to 16
//   B           of each layer in turn [rows / 16, rank, 16]: sixteen rows interleaved, zeros beyond the last
//   h [T, R]    A a; rows of tokens that are left alone hold anything
// Orders: h is the tree (sum16) of sixteen sums, each over every sixteenth column, ascending; B h ascends.
// They depend on nothing else, so a row has the same bits alone and in a batch, and in cl/lora_group.cl.
// Moved, float32: R D16 of A and sum of rows * rank of B, once a tile of tokens; computed: twice that a token.
#define LORA_TOKENS 4
#define LORA_ROWS 4

// h[n, 0 ... rows - 1] of N tokens, rows <= LORA_ROWS.
INLINE void lora_dots(__global float* h, const int ld_h, GLOBAL float* A, GLOBAL float* a,
                      const int ld_a, const int D16, const int rows, const int N) {
  float16 acc[LORA_TOKENS * LORA_ROWS];
  GLOBAL float* row[LORA_ROWS];
#pragma unroll
  for (int r = 0; r < LORA_ROWS; ++r) row[r] = A + (long)min(r, rows - 1) * D16;
#pragma unroll
  for (int i = 0; i < N * LORA_ROWS; ++i) acc[i] = 0.0f;
  for (int d = 0; d < D16; d += 16) {
    float16 w[LORA_ROWS];
#pragma unroll
    for (int r = 0; r < LORA_ROWS; ++r) w[r] = load16(row[r] + d);
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const float16 v = load16(a + n * ld_a + d);
#pragma unroll
      for (int r = 0; r < LORA_ROWS; ++r) {
        acc[n * LORA_ROWS + r] = fma(w[r], v, acc[n * LORA_ROWS + r]);
      }
    }
  }
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int r = 0; r < LORA_ROWS; ++r) {
      if (r < rows) h[n * ld_h + r] = sum16(acc[n * LORA_ROWS + r]);
    }
  }
}

// CPU devices. Unit: LORA_ROWS rows of A for a tile of LORA_TOKENS tokens, whose input is made ready where
// it is not plain.   scratch [parts, LORA_TOKENS, D16]
KERNEL void lora_down(__global float* h, __global float* scratch, GLOBAL float* A, GLOBAL float* x,
                      GLOBAL float* norm_weight, GLOBAL float* delta,
                      GLOBAL float* delta_norm_weight, GLOBAL float* coefs, const int T,
                      const int D, const int R, const int first_coef, const float eps,
                      const int mode) {
  const int D16 = (D + 15) / 16 * 16, is_ready = mode == INPUT_PLAIN && D == D16;
  const int blocks = (R + LORA_ROWS - 1) / LORA_ROWS;
  const int units = (T + LORA_TOKENS - 1) / LORA_TOKENS * blocks;
  __global float* rows = scratch + (long)PART * LORA_TOKENS * D16;
  GLOBAL float* coef = coefs + first_coef;
  const int last = SHARE_LAST(units, PART, PARTS);
  int tile = -1, active = 0;
  for (int i = SHARE_FIRST(units, PART, PARTS); i < last; ++i) {
    const int t0 = i / blocks * LORA_TOKENS, n = min(LORA_TOKENS, T - t0);
    if (i / blocks != tile) {
      tile = i / blocks;
      active = 0;
      for (int t = 0; t < n; ++t) {
        if (coef[t0 + t] == 0.0f) continue;
        ++active;
        const long from = (long)(t0 + t) * D;
        if (!is_ready) {
          prepare_row(rows + t * D16, x + from, norm_weight, delta + from, delta_norm_weight, 0, D,
                      D16, eps, mode);
        }
      }
    }
    if (active == 0) continue;
    const int r0 = i % blocks * LORA_ROWS, r = min(LORA_ROWS, R - r0);
    GLOBAL float* a = is_ready ? x + (long)t0 * D : rows;
    GLOBAL float* A0 = A + (long)r0 * D16;
    __global float* out = h + (long)t0 * R + r0;
    if (active == LORA_TOKENS) {
      lora_dots(out, R, A0, a, D16, D16, r, LORA_TOKENS);
      continue;
    }
    for (int t = 0; t < n; ++t) {
      if (coef[t0 + t] != 0.0f) lora_dots(out + t * R, R, A0, a + t * D16, D16, D16, r, 1);
    }
  }
}

// The input as plain rows, for cl/lora_group.cl where products have it in bytes.
//   out [T, ld], ld a multiple of 32: zeros from D on     Unit: a token
KERNEL void lora_input(__global float* out, GLOBAL float* x, GLOBAL float* norm_weight,
                       GLOBAL float* delta, GLOBAL float* delta_norm_weight, GLOBAL float* coefs,
                       const int T, const int D, const int ld, const int first_coef,
                       const float eps, const int mode) {
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    if (coefs[first_coef + t] == 0.0f) continue;
    const long from = (long)t * D;
    prepare_row(out + (long)t * ld, x + from, norm_weight, delta + from, delta_norm_weight, 0, D,
                ld, eps, mode);
  }
}

// What a block of sixteen outputs is of, of up to three layers; rows of those that are not there: 0.
typedef struct {
  int rank, rows;  // rows that are left from here on
  int column;      // of y
  int h_at;
  long B_at;
} LoraBlock;

INLINE int lora_blocks(const int rows) { return (rows + 15) / 16; }

// Blocks of a layer stand `stride` columns apart: 32 where those of another lie between.
INLINE LoraBlock lora_block(const int block, const int rank0, const int rows0, const int column0,
                            const int rank1, const int rows1, const int column1, const int rank2,
                            const int rows2, const int column2, const int stride) {
  const int blocks0 = lora_blocks(rows0), blocks1 = lora_blocks(rows1);
  LoraBlock out;
  int b = block, column = column0;
  out.rank = rank0;
  out.rows = rows0;
  out.h_at = 0;
  out.B_at = 0;
  if (b >= blocks0) {
    b -= blocks0;
    column = column1;
    out.rank = rank1;
    out.rows = rows1;
    out.h_at = rank0;
    out.B_at = (long)blocks0 * 16 * rank0;
    if (b >= blocks1) {
      b -= blocks1;
      column = column2;
      out.rank = rank2;
      out.rows = rows2;
      out.h_at += rank1;
      out.B_at += (long)blocks1 * 16 * rank1;
    }
  }
  out.rows -= b * 16;
  out.column = column + b * stride;
  out.B_at += (long)b * 16 * out.rank;
  return out;
}

// Sixteen outputs (or the first `rows`) of N tokens.
INLINE void lora_add(__global float* y, const int ld_y, GLOBAL float* B, GLOBAL float* h,
                     const int ld_h, GLOBAL float* coef, const int rank, const int rows,
                     const int N) {
  float16 acc[LORA_TOKENS];
#pragma unroll
  for (int n = 0; n < N; ++n) acc[n] = 0.0f;
  for (int r = 0; r < rank; ++r) {
    const float16 w = load16(B + r * 16);
#pragma unroll
    for (int n = 0; n < N; ++n) acc[n] = fma(w, (float16)(h[n * ld_h + r]), acc[n]);
  }
#pragma unroll
  for (int n = 0; n < N; ++n) {
    __global float* out = y + (long)n * ld_y;
    store_partial16(fma((float16)(coef[n]), acc[n], load_partial16(out, rows)), out, rows);
  }
}

// CPU devices. Unit: a block of sixteen outputs for a tile of LORA_TOKENS tokens.
KERNEL void lora_up(__global float* y, GLOBAL float* B, GLOBAL float* h, GLOBAL float* coefs,
                    const int T, const int R, const int ld_y, const int first_coef, const int rank0,
                    const int rows0, const int column0, const int rank1, const int rows1,
                    const int column1, const int rank2, const int rows2, const int column2,
                    const int stride) {
  const int blocks = lora_blocks(rows0) + lora_blocks(rows1) + lora_blocks(rows2);
  const int units = (T + LORA_TOKENS - 1) / LORA_TOKENS * blocks;
  const int last = SHARE_LAST(units, PART, PARTS);
  for (int i = SHARE_FIRST(units, PART, PARTS); i < last; ++i) {
    const int t0 = i / blocks * LORA_TOKENS, n = min(LORA_TOKENS, T - t0);
    GLOBAL float* coef = coefs + first_coef + t0;
    int active = 0;
    for (int t = 0; t < n; ++t) active += coef[t] != 0.0f;
    if (active == 0) continue;
    const LoraBlock at = lora_block(i % blocks, rank0, rows0, column0, rank1, rows1, column1, rank2,
                                    rows2, column2, stride);
    __global float* out = y + (long)t0 * ld_y + at.column;
    GLOBAL float* h0 = h + (long)t0 * R + at.h_at;
    if (active == LORA_TOKENS) {
      lora_add(out, ld_y, B + at.B_at, h0, R, coef, at.rank, at.rows, LORA_TOKENS);
      continue;
    }
    for (int t = 0; t < n; ++t) {
      if (coef[t] == 0.0f) continue;
      lora_add(out + (long)t * ld_y, ld_y, B + at.B_at, h0 + (long)t * R, R, coef + t, at.rank,
               at.rows, 1);
    }
  }
}
