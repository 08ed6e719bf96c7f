// Products of few rows on devices of many narrow work-items, for types of blocks; sums in the order of
// cl/matmul_common.cl. What a block adds begins at 0, so the blocks of a row can be summed side by side: a
// work-group takes sixteen rows, each work-item one row of every LANES-th unit, and then one item a row
// adds what the blocks gave, k ascending. The bits stay, and there are LANES times as many work-items.
#define LANES (GROUP / 16)
#define TERMS (LANES * SCALES_A_UNIT)  // blocks a round
#ifdef HAS_MIN
  #define TERM_VALUES 3  // of a block and a row: d, what it sums to, m
#else
  #define TERM_VALUES 2
#endif

// The sum of row block `block`, complete in items 0 ... 15. All items of the group come here together.
INLINE float dot_group(__local float* terms, __local float* a, GLOBAL uchar* w, GLOBAL float* packed,
                       const float first, const int block, const int K, const int k_units,
                       const int item) {
  const int lane = item % 16, mine = item / 16;
  float acc = first;
  for (int u0 = 0; u0 < k_units; u0 += LANES) {
    const int n = min(LANES, k_units - u0), u = u0 + mine;
    barrier(CLK_LOCAL_MEM_FENCE);  // nobody reads the round before any more
    for (int i = item; i < n * PREPARED_ROWS; i += GROUP) a[i] = packed[u0 * PREPARED_ROWS + i];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (mine < n) {
      GLOBAL uchar* super = super_at(w, K, block * 16, u * UNIT_COLUMNS);
      GLOBAL uchar* unit = unit_at(super, u * UNIT_COLUMNS);
      __local const float* au = a + mine * PREPARED_ROWS;
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        float in = 0.0f, d, m;
#pragma unroll
        for (int e = 0; e < SCALE_COLUMNS / 8; ++e) {
          const int c0 = half_unit * SCALE_COLUMNS + e * 8;
          float q[8];
          eight_at(q, unit, lane, c0);
#pragma unroll
          for (int j = 0; j < 8; ++j) in = fma(q[j], au[c0 + j], in);
        }
        scales_at(super, u % SUPER_UNITS, half_unit, lane, &d, &m);
        __local float* term = terms + (mine * SCALES_A_UNIT + half_unit) * TERM_VALUES * 16 + lane;
        term[0] = d;
        term[16] = in;
#ifdef HAS_MIN
        term[32] = m;
#endif
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (mine == 0) {
      for (int i = 0; i < n * SCALES_A_UNIT; ++i) {
        __local const float* term = terms + i * TERM_VALUES * 16 + lane;
        acc = fma(term[0], term[16], acc);
#ifdef HAS_MIN
        const int sum_row = UNIT_COLUMNS + BLOCK_SUM_ROW(i % SCALES_A_UNIT);
        acc = fma(term[32], a[i / SCALES_A_UNIT * PREPARED_ROWS + sum_row], acc);
#endif
      }
    }
  }
  return acc;
}

// Work-group: a row block (a pair of them where gated) and a token. packed: prepared with tile = 1.
KERNEL void matvec_group(__global float* y, GLOBAL uchar* w, GLOBAL float* packed, GLOBAL float* bias,
                         GLOBAL float* residual, const int T, const int K, const int padded_K,
                         const int rows, const int ld_y, const int column, const int epilogue,
                         const int has_bias) {
  __local float terms[TERMS * TERM_VALUES * 16];
  __local float a[LANES * PREPARED_ROWS];
  const int item = (int)get_local_id(0), group = (int)get_group_id(0), lane = item % 16;
  const int k_units = padded_K / UNIT_COLUMNS, blocks = (rows + 15) / 16;
  const int outputs = IS_GATED(epilogue) ? blocks / 2 : blocks;  // blocks of them
  const int t = group / outputs, o = group % outputs * 16 + lane;
  const int block = IS_GATED(epilogue) ? o / 16 * 2 : o / 16;
  GLOBAL float* input = packed + (long)t * k_units * PREPARED_ROWS;
  const float first = has_bias ? bias[block * 16 + lane] : 0.0f;
  const float sum = dot_group(terms, a, w, input, first, block, K, k_units, item);
  __global float* out = y + (long)t * ld_y + column;
  if (IS_GATED(epilogue)) {
    const float begin = has_bias ? bias[block * 16 + 16 + lane] : 0.0f;
    const float up = dot_group(terms, a, w, input, begin, block + 1, K, k_units, item);
    const float16 v = gated((float16)(sum), (float16)(up), epilogue == EPILOGUE_GELU_GATE);
    if (item < 16) out[o] = v.s0;
  } else if (item < 16 && o < rows) {
    const float other = READS_OTHER(epilogue) ? residual[(long)t * rows + o] : 0.0f;
    out[o] = outcome((float16)(sum), (float16)(other), epilogue).s0;
  }
}
