// Products with a packed matrix (cl/weights.cl):  y[t, o] = sum_k W[o, k] * a[t, k]
//
// Every kernel here adds in the same order, so they give the same bits, and which one runs is a question
// of speed alone. Of each block of columns that share a scale d and a minimum m:
//   in = fma(q, a, in), k ascending from in = 0;  acc = fma(d, in, acc);  acc = fma(m, sum of a, acc)
// and acc = fma(w, a, acc), k ascending, for a plain type. docs/adr/0002-one-order-of-sums.md
// Where INT8, a is whole numbers and a scale for each 32 columns: in is multiplied by it, and a plain type
// is added by blocks of 32, too, with d = 1.
//   matvec       one row, CPU devices: normalises the input itself; bandwidth bound
//   matmul       many rows in tiles (cl/matmul_prepare.cl), CPU devices: unpacks a panel of W into the
//                first cache, then walks the tokens; compute bound
//   matmul_each, matvec_group, matmul_group (files of their names) for other devices
#define TILE 12    // tokens a register tile: 12 x 2 vectors of sums; with 14 x 2 compilers lack registers
#define FEW 4      // the same for what is left over
#define BLOCKS 4   // row blocks that a matvec walks at once: enough chains to hide fma's latency
#define CHUNK 2    // units of 32 columns that a panel holds: it and a tile of the input stay in the first cache

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
#define PANEL_ROWS (SCALE_COLUMNS + SCALE_ROWS)  // of 32 values: columns that share scales, then the scales

// A row block is a stream of its own, often shorter than what a core's prefetcher needs to notice one.
#define AHEAD 2048  // bytes
#define LINE_OF_PAIR(i) ((i) * UNIT_BYTES / 16 / 64)  // the cache line of a unit where its codes begin

INLINE void finish(const float16 sum, __global float* y, GLOBAL float* residual, const int row,
                   const int rows, const int epilogue) {
  float16 other = 0.0f;
  if (READS_OTHER(epilogue)) other = load_partial16(residual + row, rows - row);
  store_partial16(outcome(sum, other, epilogue), y + row, rows - row);
}

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
// lie in memory: with those of a block there would be too many for the registers.
INLINE void matmul_tile(__global float* acc, GLOBAL float* panel, GLOBAL float* a, const int units,
                        const int N) {
  for (int b = 0; b < units * SCALES_A_UNIT; ++b) {
    GLOBAL float* au = a + b % SCALES_A_UNIT * SCALE_COLUMNS * TILE;
    float16 in0[TILE], in1[TILE];
#ifdef BY_BLOCK
    tile_column(in0, in1, panel, au, 1, N);
    for (int k = 1; k < SCALE_COLUMNS; ++k) {
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

INLINE void begin_sums(__global float* acc, GLOBAL float* bias, const int b, const int has_second,
                       const int T, const int has_bias) {
  const float16 bias0 = first_sum(bias, b, has_bias);
  const float16 bias1 = first_sum(bias, b + 1, has_bias && has_second);
  for (int t = 0; t < T; ++t) {
    store16(bias0, acc + t * 32);
    store16(bias1, acc + t * 32 + 16);
  }
}

// What becomes of the sums of rows [row, row + 32).
INLINE void finish_panel(__global float* y, GLOBAL float* acc, GLOBAL float* residual, const int T,
                         const int row, const int rows, const int ld_y, const int epilogue) {
  for (int t = 0; t < T; ++t) {
    __global float* out = y + (long)t * ld_y;
    GLOBAL float* r = residual + (long)t * rows;
    const float16 sum0 = vload16(2 * t, acc), sum1 = vload16(2 * t + 1, acc);
    if (IS_GATED(epilogue)) {
      store16(gated(sum0, sum1, epilogue == EPILOGUE_GELU_GATE), out + row / 2);
    } else {
      finish(sum0, out, r, row, rows, epilogue);
      if (row + 16 < rows) finish(sum1, out, r, row + 16, rows, epilogue);
    }
  }
}

// Unit: a panel of 32 rows. scratch: [parts, PANEL_FLOATS + 32 sums of T + FEW tokens].
#define PANEL_FLOATS (CHUNK * 36 * 32)  // of the type that needs most: two blocks a unit, with minimum
KERNEL void matmul(__global float* y, __global float* scratch, GLOBAL uchar* w, GLOBAL float* packed,
                   GLOBAL float* bias, GLOBAL float* residual, const int T, const int K,
                   const int padded_K, const int rows, const int ld_y, const int column,
                   const int epilogue, const int has_bias) {
  const long stride = ROW_BLOCK_BYTES(K);
  const int k_units = padded_K / UNIT_COLUMNS;
  __global float* panel = scratch + (long)PART * (PANEL_FLOATS + (long)(T + FEW) * 32);
  __global float* acc = panel + PANEL_FLOATS;
  const int blocks = (rows + 15) / 16, panels = (blocks + 1) / 2;
  const int last = SHARE_LAST(panels, PART, PARTS);
  for (int unit = SHARE_FIRST(panels, PART, PARTS); unit < last; ++unit) {
    const int b = unit * 2, has_second = b + 1 < blocks;
    begin_sums(acc, bias, b, has_second, T, has_bias);
    for (int first = 0; first < k_units; first += CHUNK) {
      const int n = min(CHUNK, k_units - first);
      unpack_block(panel, w + b * stride, first, n, 0);
      // Where there is no second block the first stands in for it.
      unpack_block(panel, w + (b + has_second) * stride, first, n, 16);
      for (int t = 0; t < T; t += TILE) {
        GLOBAL float* a =
            packed + ((long)t * k_units + (long)first * TILE) * PREPARED_ROWS;
        if (T - t >= TILE) {
          matmul_tile(acc + t * 32, panel, a, n, TILE);
          continue;
        }
        for (int i = 0; t + i < T; i += FEW) {
          matmul_tile(acc + (t + i) * 32, panel, a + i, n, FEW);
        }
      }
    }
    finish_panel(y + column, acc, residual, T, b * 16, rows, ld_y, epilogue);
  }
}
