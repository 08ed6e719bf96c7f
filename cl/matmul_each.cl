// Products on devices of many narrow work-items: one output each, sums in the order of cl/matmul_common.cl.
#ifdef INT8
  #define FIRST_SUM (QUADS + 1)
  #define INPUT_ROWS BYTE_ROWS  // cl/matmul_prepare_int8.cl, a tile of one token
  #if defined(CODE_BITS) && !(defined(TYPE_AFFINE) && CODE_BITS == 8)
    #define BYTE_FORM  // codes fit a signed byte
  #endif
#else
  #define FIRST_SUM UNIT_COLUMNS
  #define INPUT_ROWS PREPARED_ROWS
#endif

#ifdef BYTE_FORM
// Columns c ... c + 3 of a row of a unit as signed bytes, c a multiple of 4.
INLINE int quad_at(GLOBAL uchar* unit, const int lane, const int c) {
  #if CODE_BITS == 4 && !defined(CODE_VALUES)
  const uint word = ((GLOBAL uint*)(unit + SCALE_BYTES))[c / 8 * 16 + lane];
  const uint codes = (word >> (c % 8)) & 0x0F0F0F0Fu;
    #if CODE_BIAS > 0
  return as_int(((codes | 0x80808080u) - CODE_BIAS * 0x01010101u) ^ 0x80808080u);
    #else
  return as_int(codes);
    #endif
  #else
  const float4 q = (float4)(value_at(unit, lane, c), value_at(unit, lane, c + 1),
                            value_at(unit, lane, c + 2), value_at(unit, lane, c + 3));
  return as_int(convert_char4(q * CODE_FACTOR));
  #endif
}
#endif

// Of a block of columns that share scales, from c0 on: the sum of codes times inputs.
INLINE float block_each(GLOBAL uchar* unit, GLOBAL float* a, const int lane, const int c0) {
  float in = 0.0f;
#if defined(BYTE_FORM)
  int sum = 0;
  for (int c = c0; c < c0 + SCALE_COLUMNS; c += 4) {
    const int four = ((GLOBAL int*)a)[c / 4] ^ 0x80808080;  // they come with 128 added
    sum = int8_dot(four, quad_at(unit, lane, c), sum);
  }
  in = (float)sum / CODE_FACTOR;
#elif defined(INT8)
  for (int c = c0; c < c0 + SCALE_COLUMNS; ++c) {
    in = fma(value_at(unit, lane, c), (float)((GLOBAL uchar*)a)[c] - 128.0f, in);
  }
#else
  for (int c = c0; c < c0 + SCALE_COLUMNS; c += 8) {
    float q[8];
    eight_at(q, unit, lane, c);
  #pragma unroll
    for (int j = 0; j < 8; ++j) in = fma(q[j], a[c + j], in);
  }
#endif
#ifdef INT8
  in *= a[QUADS];
#endif
  return in;
}

INLINE float dot_each(GLOBAL uchar* w, GLOBAL float* a, GLOBAL float* bias, const int row,
                      const int K, const int has_bias) {
  const int lane = row % 16;
  float acc = has_bias ? bias[row] : 0.0f;
  for (int k = 0; k < K; k += UNIT_COLUMNS, a += INPUT_ROWS) {
    GLOBAL uchar* super = super_at(w, K, row, k);
    GLOBAL uchar* unit = unit_at(super, k);
#ifdef BY_BLOCK
    for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
      float d = 1.0f, m;
      scales_at(super, k % SUPER_COLUMNS / UNIT_COLUMNS, half_unit, lane, &d, &m);
      acc = fma(d, block_each(unit, a, lane, half_unit * SCALE_COLUMNS), acc);
  #ifdef HAS_MIN
      acc = fma(m, a[FIRST_SUM + BLOCK_SUM_ROW(half_unit)], acc);
  #endif
    }
#else
    for (int c = 0; c < UNIT_COLUMNS; ++c) acc = fma(value_at(unit, lane, c), a[c], acc);
#endif
  }
  return acc;
}

// Unit: an output. packed: prepared with tiles of one token.
KERNEL void matmul_each(__global float* y, GLOBAL uchar* w, GLOBAL float* packed,
                        GLOBAL float* bias, GLOBAL float* residual, const int T, const int K,
                        const int padded_K, const int rows, const int ld_y, const int column,
                        const int epilogue, const int has_bias) {
  const int outputs = IS_GATED(epilogue) ? rows / 2 : rows;
  for (long unit = PART; unit < (long)T * outputs; unit += PARTS) {
    const int t = (int)(unit / outputs), o = (int)(unit % outputs);
    GLOBAL float* a = packed + (long)t * (padded_K / UNIT_COLUMNS) * INPUT_ROWS;
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
