// Products with one row on CPU devices (cl/matmul_common.cl says in which order they add), bound by the
// bandwidth of memory: the kernel makes its input ready itself, and sixteen rows of W are one vector.
#define BLOCKS 4  // row blocks that are walked at once: enough chains to hide fma's latency

// acc[r] += the product of row block r (`stride` bytes apart) with a[0, K), for R blocks at once. sums:
// of each sixteen values of a; scales: of each 32, or null.
INLINE void dot_blocks(float16* acc, GLOBAL uchar* w, const long stride, GLOBAL float* a,
                       GLOBAL float* sums, GLOBAL float* scales, const int K, const int R) {
  const int supers = SUPERS(K);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      GLOBAL float* au = a + (s * SUPER_UNITS + u) * UNIT_COLUMNS;
      // What these blocks are near the end of, the next ones follow R blocks later.
      GLOBAL uchar* ahead = unit + AHEAD + (unit - w + AHEAD < stride ? 0 : (R - 1) * stride);
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        float16 in[BLOCKS];
#pragma unroll
        for (int r = 0; r < R; ++r) in[r] = 0.0f;
#ifndef BY_BLOCK
#pragma unroll
        for (int r = 0; r < R; ++r) in[r] = acc[r];
#endif
#pragma unroll
        for (int j = 0; j < SCALE_COLUMNS / 2; ++j) {
          const int i = half_unit * 8 + j;
          const float a0 = au[2 * i], a1 = au[2 * i + 1];
#pragma unroll
          for (int r = 0; r < R; ++r) {
            float16 q0, q1;
#pragma unroll
            for (int line = LINE_OF_PAIR(i); line < LINE_OF_PAIR(i + 1); ++line) {
              PREFETCH(ahead + r * stride + line * 64);
            }
            unit_pair(unit + r * stride, i, &q0, &q1);
            in[r] = fma(q0, (float16)(a0), in[r]);
            in[r] = fma(q1, (float16)(a1), in[r]);
          }
        }
#pragma unroll
        for (int r = 0; r < R; ++r) {
#ifdef BY_BLOCK
          float16 d = 1.0f, m;
          const int unit_at = s * SUPER_UNITS + u;
          const float scale = scales ? scales[unit_at] : 1.0f;
          unit_scales(super + r * stride, u, half_unit, &d, &m);
          acc[r] = fma(d, scales ? in[r] * scale : in[r], acc[r]);
  #ifdef HAS_MIN
          GLOBAL float* of_unit = sums + unit_at * 2;
          const float sum = SCALES_A_UNIT == 2 ? of_unit[half_unit] : of_unit[0] + of_unit[1];
          acc[r] = fma(m, (float16)(sum * scale), acc[r]);
  #endif
#else
          acc[r] = in[r];
#endif
        }
      }
    }
  }
}

// Row blocks b ... b + n - 1, n <= BLOCKS, and what becomes of their outputs. Fewer than BLOCKS go by
// twos, one block standing in for both at the end: by itself it would wait for each of its sums.
INLINE void matvec_blocks(__global float* y, GLOBAL uchar* w, GLOBAL float* a, GLOBAL float* sums,
                          GLOBAL float* scales, GLOBAL float* bias, GLOBAL float* residual,
                          const int b, const int n, const int K, const int rows,
                          const int epilogue, const int has_bias) {
  const long stride = ROW_BLOCK_BYTES(K);
  float16 out[BLOCKS];
  if (n == BLOCKS) {
    float16 acc[BLOCKS];
#pragma unroll
    for (int r = 0; r < BLOCKS; ++r) acc[r] = first_sum(bias, b + r, has_bias);
    dot_blocks(acc, w + b * stride, stride, a, sums, scales, K, BLOCKS);
#pragma unroll
    for (int r = 0; r < BLOCKS; ++r) out[r] = acc[r];
  } else {
#pragma nounroll
    for (int r = 0; r < n; r += 2) {
      float16 acc[BLOCKS];
      const int both = r + 1 < n;
      acc[0] = first_sum(bias, b + r, has_bias);
      acc[1] = first_sum(bias, b + r + both, has_bias);
      dot_blocks(acc, w + (b + r) * stride, both ? stride : 0, a, sums, scales, K, 2);
      out[r] = acc[0];
      out[r + 1] = acc[1];
    }
  }
  if (IS_GATED(epilogue)) {
#pragma nounroll
    for (int r = 0; r < n; r += 2) {
      const float16 v = gated(out[r], out[r + 1], epilogue == EPILOGUE_GELU_GATE);
      store16(v, y + (b + r) * 8);
    }
  } else {
#pragma nounroll
    for (int r = 0; r < n; ++r) finish(out[r], y, residual, (b + r) * 16, rows, epilogue);
  }
}

// Unit: a row block, or a pair of them where gated. scratch: [parts, ROW_FLOATS].
KERNEL void matvec(__global float* y, __global float* sum, __global float* scratch,
                   GLOBAL uchar* w, GLOBAL float* x, GLOBAL float* norm_weight,
                   GLOBAL float* delta, GLOBAL float* delta_norm_weight, GLOBAL float* bias,
                   GLOBAL float* residual, const int K, const int padded_K, const int rows,
                   const int first_row, const int column, const float eps, const int mode,
                   const int epilogue, const int has_bias) {
  const long from = (long)first_row * K;
  GLOBAL float* a = x + from;
  __global float* row = scratch + (long)PART * ROW_FLOATS(padded_K);
  __global float* sums = row + padded_K;
  GLOBAL float* scales = 0;
#ifdef INT8
  const int is_whole = 0;
#else
  const int is_whole = K == padded_K;
#endif
  if (mode != INPUT_PLAIN || !is_whole) {
    prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight, PART == 0 ? sum : 0, K,
                padded_K, eps, mode);
    a = row;
  }
#if defined(INT8)
  finish_row(row, padded_K);
  scales = sums + padded_K / 16;
#elif defined(HAS_MIN)
  sum_columns(sums, a, padded_K);
#endif
  const int per_unit = IS_GATED(epilogue) ? 2 : 1;
  const int units = (rows + 15) / 16 / per_unit;
  const int last = SHARE_LAST(units, PART, PARTS) * per_unit;
  int b = SHARE_FIRST(units, PART, PARTS) * per_unit;
  __global float* out = y + column;
  for (; b < last; b += BLOCKS) {
    matvec_blocks(out, w, a, sums, scales, bias, residual, b, min(BLOCKS, last - b), K, rows,
                  epilogue, has_bias);
  }
}
