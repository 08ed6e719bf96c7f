// Products with a packed matrix (cl/weights.cl):  y[t, o] = sum_k W[o, k] * a[t, k]
//
// Every kernel here adds in the same order: acc = fma(w, a, acc), k ascending from 0. So they give the
// same bits, and which one runs is a question of speed alone:
//   matvec       one row, CPU devices: normalises the input itself; bandwidth bound
//   matmul       many rows in tiles (cl/matmul_prepare.cl), CPU devices: unpacks 32 rows of W once, then
//                walks the tokens; compute bound
//   matmul_each  (cl/matmul_each.cl) any rows, one output a work-item: GPU devices
#ifndef TILE
  #define TILE 14  // tokens a register tile: 14 x 2 vectors of accumulators
#endif
#define FEW 4      // the same for what is left over
#define BLOCKS 4   // row blocks that a matvec walks at once: enough chains to hide fma's latency

// A row block is a stream of its own, often shorter than what a core's prefetcher needs to notice one.
#if defined(__x86_64__) && defined(__clang__)
  #define AHEAD 1024  // bytes
  #define PREFETCH(p) __builtin_prefetch((const void*)(ulong)(p))
#else
  #define AHEAD 0
  #define PREFETCH(p)
#endif
#define LINE_OF_PAIR(i) ((i) * UNIT_BYTES / 16 / 64)  // the cache line of a unit where its codes begin

INLINE void finish(const float16 sum, __global float* y, GLOBAL float* residual, const int row,
                   const int rows, const int epilogue) {
  float16 other = 0.0f;
  if (READS_OTHER(epilogue)) other = load_partial16(residual + row, rows - row);
  store_partial16(outcome(sum, other, epilogue), y + row, rows - row);
}

// acc[r] += the product of row block r (`stride` bytes apart) with a[0, K), for R blocks at once.
INLINE void dot_blocks(float16* acc, GLOBAL uchar* w, const long stride, GLOBAL float* a,
                       const int K, const int R) {
  const int supers = SUPERS(K);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      GLOBAL float* au = a + (s * SUPER_UNITS + u) * UNIT_COLUMNS;
      float16 d[BLOCKS], m[BLOCKS];
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
#pragma unroll
        for (int r = 0; r < R; ++r) unit_scales(super + r * stride, u, half_unit, &d[r], &m[r]);
#pragma unroll
        for (int j = 0; j < 16 / SCALES_A_UNIT; ++j) {
          const int i = half_unit * 8 + j;
          const float a0 = au[2 * i], a1 = au[2 * i + 1];
#pragma unroll
          for (int r = 0; r < R; ++r) {
            float16 q0, q1;
#pragma unroll
            for (int line = LINE_OF_PAIR(i); line < LINE_OF_PAIR(i + 1); ++line) {
              PREFETCH(unit + r * stride + AHEAD + line * 64);
            }
            unit_pair(unit + r * stride, i, &q0, &q1);
            acc[r] = fma(to_weight(q0, d[r], m[r]), (float16)(a0), acc[r]);
            acc[r] = fma(to_weight(q1, d[r], m[r]), (float16)(a1), acc[r]);
          }
        }
      }
    }
  }
}

// Row blocks b ... b + n - 1, n <= BLOCKS, and what becomes of their outputs. Fewer than BLOCKS go by
// twos, one block standing in for both at the end: by itself it would wait for each of its sums.
INLINE void matvec_blocks(__global float* y, GLOBAL uchar* w, GLOBAL float* a, GLOBAL float* bias,
                          GLOBAL float* residual, const int b, const int n, const int K,
                          const int rows, const int epilogue, const int has_bias) {
  const long stride = ROW_BLOCK_BYTES(K);
  float16 out[BLOCKS];
  if (n == BLOCKS) {
    float16 acc[BLOCKS];
#pragma unroll
    for (int r = 0; r < BLOCKS; ++r) acc[r] = first_sum(bias, b + r, has_bias);
    dot_blocks(acc, w + b * stride, stride, a, K, BLOCKS);
#pragma unroll
    for (int r = 0; r < BLOCKS; ++r) out[r] = acc[r];
  } else {
#pragma nounroll
    for (int r = 0; r < n; r += 2) {
      float16 acc[BLOCKS];
      const int both = r + 1 < n;
      acc[0] = first_sum(bias, b + r, has_bias);
      acc[1] = first_sum(bias, b + r + both, has_bias);
      dot_blocks(acc, w + (b + r) * stride, both ? stride : 0, a, K, 2);
      out[r] = acc[0];
      out[r + 1] = acc[1];
    }
  }
  if (IS_GATED(epilogue)) {
#pragma nounroll
    for (int r = 0; r < n; r += 2) {
      const float16 v = gated(out[r], out[r + 1], epilogue == EPILOGUE_GELU_GATE);
      vstore16(v, (b + r) / 2, y);
    }
  } else {
#pragma nounroll
    for (int r = 0; r < n; ++r) finish(out[r], y, residual, (b + r) * 16, rows, epilogue);
  }
}

// Unit: a row block, or a pair of them where gated. scratch: [parts, padded_K].
KERNEL void matvec(__global float* y, __global float* sum, __global float* scratch,
                   GLOBAL uchar* w, GLOBAL float* x, GLOBAL float* norm_weight,
                   GLOBAL float* delta, GLOBAL float* delta_norm_weight, GLOBAL float* bias,
                   GLOBAL float* residual, const int K, const int padded_K, const int rows,
                   const int first_row, const int column, const float eps, const int mode,
                   const int epilogue, const int has_bias) {
  const long from = (long)first_row * K;
  GLOBAL float* a = x + from;
  if (mode != INPUT_PLAIN || K != padded_K) {
    __global float* row = scratch + (long)PART * padded_K;
    prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight, PART == 0 ? sum : 0, K,
                padded_K, eps, mode);
    a = row;
  }
  const int per_unit = IS_GATED(epilogue) ? 2 : 1;
  const int units = (rows + 15) / 16 / per_unit;
  const int last = SHARE_LAST(units, PART, PARTS) * per_unit;
  int b = SHARE_FIRST(units, PART, PARTS) * per_unit;
  __global float* out = y + column;
  for (; b < last; b += BLOCKS) {
    matvec_blocks(out, w, a, bias, residual, b, min(BLOCKS, last - b), K, rows, epilogue, has_bias);
  }
}

// Row block w to panel[k][32], from lane `at` on.
INLINE void unpack_block(__global float* panel, GLOBAL uchar* w, const int at, const int K) {
  const int supers = SUPERS(K);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      __global float* out = panel + (long)(s * SUPER_UNITS + u) * UNIT_COLUMNS * 32 + at;
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        float16 d, m;
        unit_scales(super, u, half_unit, &d, &m);
#pragma unroll 4
        for (int j = 0; j < 16 / SCALES_A_UNIT; ++j) {
          const int i = half_unit * 8 + j;
          float16 q0, q1;
          unit_pair(unit, i, &q0, &q1);
          vstore16(to_weight(q0, d, m), 0, out + (2 * i) * 32);
          vstore16(to_weight(q1, d, m), 0, out + (2 * i + 1) * 32);
        }
      }
    }
  }
}

// Tokens 0 ... n - 1, n <= N, of one tile (from `a` on) against the panel. y, residual: their rows.
INLINE void matmul_tile(__global float* y, GLOBAL float* panel, GLOBAL float* a,
                        const float16 bias0, const float16 bias1, GLOBAL float* residual,
                        const int row, const int K, const int rows, const int ld_y, const int n,
                        const int epilogue, const int N) {
  float16 acc0[TILE], acc1[TILE], out0[TILE], out1[TILE];
#pragma unroll
  for (int t = 0; t < N; ++t) {
    acc0[t] = bias0;
    acc1[t] = bias1;
  }
  for (int k = 0; k < K; ++k) {
    const float16 w0 = vload16(2 * k, panel), w1 = vload16(2 * k + 1, panel);
#pragma unroll
    for (int t = 0; t < N; ++t) {
      const float16 v = a[k * TILE + t];
      acc0[t] = fma(w0, v, acc0[t]);
      acc1[t] = fma(w1, v, acc1[t]);
    }
  }
#pragma unroll
  for (int t = 0; t < N; ++t) {
    out0[t] = acc0[t];
    out1[t] = acc1[t];
  }
#pragma nounroll
  for (int t = 0; t < n; ++t) {
    __global float* out = y + (long)t * ld_y;
    GLOBAL float* r = residual + (long)t * rows;
    if (IS_GATED(epilogue)) {
      vstore16(gated(out0[t], out1[t], epilogue == EPILOGUE_GELU_GATE), row / 32, out);
    } else {
      finish(out0[t], out, r, row, rows, epilogue);
      if (row + 16 < rows) finish(out1[t], out, r, row + 16, rows, epilogue);
    }
  }
}

// Unit: a panel of 32 rows. panels: [parts, padded_K, 32].
KERNEL void matmul(__global float* y, __global float* panels, GLOBAL uchar* w, GLOBAL float* packed,
                   GLOBAL float* bias, GLOBAL float* residual, const int T, const int K,
                   const int padded_K, const int rows, const int ld_y, const int column,
                   const int epilogue, const int has_bias) {
  const long stride = ROW_BLOCK_BYTES(K);
  __global float* panel = panels + (long)PART * padded_K * 32;
  const int blocks = (rows + 15) / 16, units = (blocks + 1) / 2;
  const int last = SHARE_LAST(units, PART, PARTS);
  for (int unit = SHARE_FIRST(units, PART, PARTS); unit < last; ++unit) {
    const int b = unit * 2;
    for (int i = 0; i < 2 && b + i < blocks; ++i) {
      unpack_block(panel, w + (b + i) * stride, 16 * i, K);
    }
    const float16 bias0 = first_sum(bias, b, has_bias);
    const float16 bias1 = first_sum(bias, b + 1, has_bias && b + 1 < blocks);
    for (int t = 0; t < T; t += TILE) {
      __global float* out = y + (long)t * ld_y + column;
      GLOBAL float* r = residual + (long)t * rows;
      GLOBAL float* a = packed + (long)t * padded_K;
      const int n = min(TILE, T - t);
      if (n == TILE) {
        matmul_tile(out, panel, a, bias0, bias1, r, b * 16, K, rows, ld_y, n, epilogue, TILE);
        continue;
      }
      for (int i = 0; i < n; i += FEW) {
        matmul_tile(out + (long)i * ld_y, panel, a + i, bias0, bias1, r + (long)i * rows, b * 16, K,
                    rows, ld_y, min(FEW, n - i), epilogue, FEW);
      }
    }
  }
}
