// Products on devices of many narrow work-items: one output each, k ascending as everywhere.
INLINE float dot_each(GLOBAL uchar* w, GLOBAL float* a, GLOBAL float* bias, const int row,
                      const int K, const int has_bias) {
  float acc = has_bias ? bias[row] : 0.0f;
  for (int k = 0; k < K; ++k) acc = fma(weight_at(w, K, row, k), a[k], acc);
  return acc;
}

// Unit: an output. packed: [T, padded_K] (prepared with tile = 1).
KERNEL void matmul_each(__global float* y, GLOBAL uchar* w, GLOBAL float* packed,
                        GLOBAL float* bias, GLOBAL float* residual, const int T, const int K,
                        const int padded_K, const int rows, const int ld_y, const int column,
                        const int epilogue, const int has_bias) {
  const int outputs = IS_GATED(epilogue) ? rows / 2 : rows;
  for (long unit = PART; unit < (long)T * outputs; unit += PARTS) {
    const int t = (int)(unit / outputs), o = (int)(unit % outputs);
    GLOBAL float* a = packed + (long)t * padded_K;
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
