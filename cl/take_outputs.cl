// y[i, :] = x[output first + i of the step, :].  Unit: a row.   y [count, D] out    x [T, D]
KERNEL void take_outputs(__global float* y, GLOBAL float* x, GLOBAL int* step, const int T,
                         const int first, const int count, const int D) {
  for (int i = PART; i < count; i += PARTS) {
    GLOBAL float* from = x + (long)step[STEP_OUTPUTS(T) + first + i] * D;
    for (int d = 0; d < D; d += 16) {
      store_partial16(load_partial16(from + d, D - d), y + (long)i * D + d, D - d);
    }
  }
}
