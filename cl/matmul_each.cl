// Products on devices of many narrow work-items: one output each, sums in the order of cl/matmul_common.cl.
INLINE float dot_each(GLOBAL uchar* w, GLOBAL float* a, GLOBAL float* bias, const int row,
                      const int K, const int has_bias) {
  const int lane = row % 16;
  float acc = has_bias ? bias[row] : 0.0f;
  for (int k = 0; k < K; k += UNIT_COLUMNS, a += PREPARED_ROWS) {
    GLOBAL uchar* super = super_at(w, K, row, k);
    GLOBAL uchar* unit = unit_at(super, k);
    for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
      const int c0 = half_unit * SCALE_COLUMNS;
#if defined(CODE_BITS) || defined(INT8)
      float d = 1.0f, m, in = 0.0f;
      for (int c = c0; c < c0 + SCALE_COLUMNS; c += 8) {
        float q[8];
        eight_at(q, unit, lane, c);
  #pragma unroll
        for (int j = 0; j < 8; ++j) in = fma(q[j], a[c + j], in);
      }
      scales_at(super, k % SUPER_COLUMNS / UNIT_COLUMNS, half_unit, lane, &d, &m);
  #ifdef INT8
      in *= a[SCALE_ROW];
  #endif
      acc = fma(d, in, acc);
  #ifdef HAS_MIN
      acc = fma(m, a[UNIT_COLUMNS + BLOCK_SUM_ROW(half_unit)], acc);
  #endif
#else
      for (int c = c0; c < c0 + SCALE_COLUMNS; ++c) acc = fma(value_at(unit, lane, c), a[c], acc);
#endif
    }
  }
  return acc;
}

// Unit: an output. packed: prepared with tile = 1.
KERNEL void matmul_each(__global float* y, GLOBAL uchar* w, GLOBAL float* packed,
                        GLOBAL float* bias, GLOBAL float* residual, const int T, const int K,
                        const int padded_K, const int rows, const int ld_y, const int column,
                        const int epilogue, const int has_bias) {
  const int outputs = IS_GATED(epilogue) ? rows / 2 : rows;
  for (long unit = PART; unit < (long)T * outputs; unit += PARTS) {
    const int t = (int)(unit / outputs), o = (int)(unit % outputs);
    GLOBAL float* a = packed + (long)t * (padded_K / UNIT_COLUMNS) * PREPARED_ROWS;
    float16 v;
    if (IS_GATED(epilogue)) {
      const int gate_row = o / 16 * 32 + o % 16;
      v = gated((float16)(dot_each(w, a, bias, gate_row, K, has_bias)),
                (float16)(dot_each(w, a, bias, gate_row + 16, K, has_bias)),
                epilogue == EPILOGUE_GELU_GATE);
    } else {
      const float other = READS_OTHER(epilogue) ? residual[(long)t * rows + o] : 0.0f;
      v = outcome((float16)(dot_each(w, a, bias, o, K, has_bias)), (float16)(other), epilogue);
    }
    y[(long)t * ld_y + column + o] = v.s0;
  }
}
