// Products of many rows on devices with local memory, sums in the order of
// cl/matmul_common.cl. A work-group makes a tile of ROWS x TOKENS outputs, a work-item 8 x ITEM_TOKENS of
// them in registers: the columns of a unit are unpacked once into local memory, where every item reads
// them. No sum crosses work-items.
//
// An item's rows are four in one row block and the same four in the next, so that a gate and what it
// gates meet in one item.
#define ITEM_ROWS 8
#define ROW_ITEMS (ROWS / ITEM_ROWS)
#define TOKEN_ITEMS (TOKENS / ITEM_TOKENS)
#if ROWS % 32 != 0 || TOKENS % ITEM_TOKENS != 0 || GROUP != ROW_ITEMS * TOKEN_ITEMS
  #error "ROWS, TOKENS and ITEM_TOKENS do not make GROUP"
#endif

// The weights of unit u of rows row_block * 16 ..., by column, and the scales of its blocks. Rows past the
// last block read that one again; nothing is made of them.
INLINE void stage_weights(__local float* values, __local float* scales, GLOBAL uchar* w,
                          const int row_block, const int blocks, const int u, const int K,
                          const int item) {
  for (int i = item; i < ROWS * (UNIT_COLUMNS / 8); i += GROUP) {
    const int row = i % ROWS, c0 = i / ROWS * 8;
    const int block = min(row_block + row / 16, blocks - 1);
    float q[8];
    eight_at(q, unit_at(super_at(w, K, block * 16, u * UNIT_COLUMNS), u * UNIT_COLUMNS), row % 16, c0);
#pragma unroll
    for (int j = 0; j < 8; ++j) values[(c0 + j) * ROWS + row] = q[j];
  }
#ifdef CODE_BITS
  for (int i = item; i < ROWS * SCALES_A_UNIT; i += GROUP) {
    const int row = i % ROWS, half_unit = i / ROWS;
    const int block = min(row_block + row / 16, blocks - 1);
    float d, m = 0.0f;
    scales_at(super_at(w, K, block * 16, u * UNIT_COLUMNS), u % SUPER_UNITS, half_unit, row % 16, &d,
              &m);
    scales[(2 * half_unit) * ROWS + row] = d;
    scales[(2 * half_unit + 1) * ROWS + row] = m;
  }
#endif
}

// Unit u of tokens t0 ... t0 + TOKENS - 1, by column. Tokens past the last read that one again.
INLINE void stage_input(__local float* a, GLOBAL float* packed, const int t0, const int T, const int u,
                        const int k_units, const int item) {
  for (int i = item; i < TOKENS * PREPARED_ROWS; i += GROUP) {
    const int t = i / PREPARED_ROWS, c = i % PREPARED_ROWS;
    a[c * TOKENS + t] = packed[((long)min(t0 + t, T - 1) * k_units + u) * PREPARED_ROWS + c];
  }
}

// sum[h][t] = fma(value, a, sum[h][t]) of columns c0 ... c0 + SCALE_COLUMNS - 1.
INLINE void multiply(float4* sum0, float4* sum1, __local const float4* values,
                     __local const float* a, const int c0) {
  for (int c = c0; c < c0 + SCALE_COLUMNS; ++c) {
    const float4 w0 = values[c * (ROWS / 4)], w1 = values[c * (ROWS / 4) + 4];
#pragma unroll
    for (int t = 0; t < ITEM_TOKENS; ++t) {
      const float4 v = (float4)(a[c * TOKENS + t]);
      sum0[t] = fma(w0, v, sum0[t]);
      sum1[t] = fma(w1, v, sum1[t]);
    }
  }
}

// What becomes of four sums of one token: rows row ... row + 3 of y.
INLINE void finish4(const float4 sum, __global float* y, GLOBAL float* residual, const int row,
                    const int rows, const int epilogue) {
  float4 other = 0.0f;
  if (READS_OTHER(epilogue)) {
    other.s0 = row < rows ? residual[row] : 0.0f;
    other.s1 = row + 1 < rows ? residual[row + 1] : 0.0f;
    other.s2 = row + 2 < rows ? residual[row + 2] : 0.0f;
    other.s3 = row + 3 < rows ? residual[row + 3] : 0.0f;
  }
  const float16 v = outcome((float16)(sum, sum, sum, sum), (float16)(other, other, other, other),
                            epilogue);
  if (row < rows) y[row] = v.s0;
  if (row + 1 < rows) y[row + 1] = v.s1;
  if (row + 2 < rows) y[row + 2] = v.s2;
  if (row + 3 < rows) y[row + 3] = v.s3;
}

// Work-group: ROWS rows (of W) and TOKENS tokens; neighbours share their tokens. packed: prepared with
// tile = 1.
KERNEL void matmul_group(__global float* y, GLOBAL uchar* w, GLOBAL float* packed, GLOBAL float* bias,
                         GLOBAL float* residual, const int T, const int K, const int padded_K,
                         const int rows, const int ld_y, const int column, const int epilogue,
                         const int has_bias) {
  __local float4 values[UNIT_COLUMNS * ROWS / 4];
  __local float4 scales[2 * SCALES_A_UNIT * ROWS / 4];
  __local float a[PREPARED_ROWS * TOKENS];
  const int item = (int)get_local_id(0), group = (int)get_group_id(0);
  const int row_item = item % ROW_ITEMS, token_item = item / ROW_ITEMS;
  const int blocks = (rows + 15) / 16, tiles = (blocks * 16 + ROWS - 1) / ROWS;
  const int row0 = group % tiles * ROWS, t0 = group / tiles * TOKENS;
  const int k_units = padded_K / UNIT_COLUMNS;
  const int at = row_item / 4 * 32 + row_item % 4 * 4;  // of the item's rows in the tile; + 16: the rest
  const int row = row0 + at;
  __local const float4* my_values = values + at / 4;
  __local const float4* my_scales = scales + at / 4;
  __local const float* my_a = a + token_item * ITEM_TOKENS;

  float4 acc0[ITEM_TOKENS], acc1[ITEM_TOKENS];
  const float4 bias0 = has_bias && row < blocks * 16 ? vload4(0, bias + row) : (float4)(0.0f);
  const float4 bias1 =
      has_bias && row + 16 < blocks * 16 ? vload4(0, bias + row + 16) : (float4)(0.0f);
#pragma unroll
  for (int t = 0; t < ITEM_TOKENS; ++t) {
    acc0[t] = bias0;
    acc1[t] = bias1;
  }
  for (int u = 0; u < k_units; ++u) {
    barrier(CLK_LOCAL_MEM_FENCE);  // nobody reads the unit before any more
    stage_weights((__local float*)values, (__local float*)scales, w, row0 / 16, blocks, u, K, item);
    stage_input(a, packed, t0, T, u, k_units, item);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
#ifdef CODE_BITS
      float4 in0[ITEM_TOKENS], in1[ITEM_TOKENS];
  #pragma unroll
      for (int t = 0; t < ITEM_TOKENS; ++t) in0[t] = in1[t] = 0.0f;
      multiply(in0, in1, my_values, my_a, half_unit * SCALE_COLUMNS);
      __local const float4* block_scales = my_scales + 2 * half_unit * (ROWS / 4);
      const float4 d0 = block_scales[0], d1 = block_scales[4];
  #pragma unroll
      for (int t = 0; t < ITEM_TOKENS; ++t) {
        acc0[t] = fma(d0, in0[t], acc0[t]);
        acc1[t] = fma(d1, in1[t], acc1[t]);
      }
  #ifdef HAS_MIN
      const float4 m0 = block_scales[ROWS / 4], m1 = block_scales[ROWS / 4 + 4];
      __local const float* sums = my_a + (UNIT_COLUMNS + BLOCK_SUM_ROW(half_unit)) * TOKENS;
    #pragma unroll
      for (int t = 0; t < ITEM_TOKENS; ++t) {
        acc0[t] = fma(m0, (float4)(sums[t]), acc0[t]);
        acc1[t] = fma(m1, (float4)(sums[t]), acc1[t]);
      }
  #endif
#else
      multiply(acc0, acc1, my_values, my_a, half_unit * SCALE_COLUMNS);
#endif
    }
  }
#pragma unroll
  for (int i = 0; i < ITEM_TOKENS; ++i) {
    const int t = t0 + token_item * ITEM_TOKENS + i;
    if (t >= T) continue;
    __global float* out = y + (long)t * ld_y + column;
    GLOBAL float* other = residual + (long)t * rows;
    if (IS_GATED(epilogue)) {
      const float16 v = gated((float16)(acc0[i], acc0[i], acc0[i], acc0[i]),
                              (float16)(acc1[i], acc1[i], acc1[i], acc1[i]),
                              epilogue == EPILOGUE_GELU_GATE);
      if (row < rows) vstore4(v.s0123, 0, out + row / 32 * 16 + row % 16);
    } else {
      finish4(acc0[i], out, other, row, rows, epilogue);
      finish4(acc1[i], out, other, row + 16, rows, epilogue);
    }
  }
}
