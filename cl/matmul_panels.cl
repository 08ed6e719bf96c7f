// Products of many rows on CPU devices. A panel, some columns of 32 rows of W, is unpacked into the first
// cache; then the tokens walk past it, a tile at a time (cl/matmul.cl or cl/matmul_int8.cl).

INLINE void begin_sums(__global float* acc, GLOBAL float* bias, const int b, const int has_second,
                       const int n, const int has_bias) {
  const float16 bias0 = first_sum(bias, b, has_bias);
  const float16 bias1 = first_sum(bias, b + 1, has_bias && has_second);
  for (int t = 0; t < n; ++t) {
    store16(bias0, acc + t * 32);
    store16(bias1, acc + t * 32 + 16);
  }
}

// What becomes of the sums of rows [row, row + 32) and tokens t0 ... t0 + n - 1.
INLINE void finish_sums(__global float* y, GLOBAL float* acc, GLOBAL float* residual, const int t0,
                        const int n, const int row, const int rows, const int ld_y,
                        const int epilogue) {
  for (int t = t0; t < t0 + n; ++t, acc += 32) {
    __global float* out = y + (long)t * ld_y;
    GLOBAL float* r = residual + (long)t * rows;
    const float16 sum0 = vload16(0, acc), sum1 = vload16(1, acc);
    if (IS_GATED(epilogue)) {
      store16(gated(sum0, sum1, epilogue == EPILOGUE_GELU_GATE), out + row / 2);
    } else {
      if (READS_OTHER(epilogue)) {  // the next tile's
        PREFETCH(r + (long)TILE * rows + row);
        PREFETCH(r + (long)TILE * rows + row + 16);
      }
      finish(sum0, out, r, row, rows, epilogue);
      if (row + 16 < rows) finish(sum1, out, r, row + 16, rows, epilogue);
    }
  }
}

// Unit: a panel of 32 rows. scratch: [parts, PANEL_WORDS + 32 sums of T + TILE tokens]. A tile's sums begin
// with the first chunk of columns and are finished after the last, while they are in the first cache.
KERNEL void matmul_panels(__global float* y, __global float* scratch, GLOBAL uchar* w,
                          GLOBAL panel_word* prepared, GLOBAL float* bias, GLOBAL float* residual,
                          const int T, const int K, const int padded_K, const int rows,
                          const int ld_y, const int column, const int epilogue, const int has_bias) {
  const long stride = ROW_BLOCK_BYTES(K);
  const int k_units = padded_K / UNIT_COLUMNS;
  const long next = (long)k_units * UNIT_ROWS * TILE;
  __global float* part = scratch + (long)PART * (PANEL_WORDS + (long)(T + TILE) * 32);
  __global panel_word* panel = (__global panel_word*)part;
  const int blocks = (rows + 15) / 16, panels = (blocks + 1) / 2;
  const int last = SHARE_LAST(panels, PART, PARTS);
  for (int unit = SHARE_FIRST(panels, PART, PARTS); unit < last; ++unit) {
    const int b = unit * 2, has_second = b + 1 < blocks;
    for (int first = 0; first < k_units; first += CHUNK) {
      const int n = min(CHUNK, k_units - first);
      unpack_block(panel, w + b * stride, first, n, 0);
      // Where there is no second block the first stands in for it.
      unpack_block(panel, w + (b + has_second) * stride, first, n, 16);
      for (int t = 0; t < T; t += TILE) {
        GLOBAL panel_word* a = prepared + ((long)t * k_units + (long)first * TILE) * UNIT_ROWS;
        __global float* acc = part + PANEL_WORDS + t * 32;
        const int count = min(TILE, T - t);
        const int taken = count <= FEW ? FEW : count <= 2 * FEW ? 2 * FEW : TILE;
        if (first == 0) begin_sums(acc, bias, b, has_second, taken, has_bias);
        if (taken == TILE) {
          matmul_tile(acc, panel, a, next, n, TILE);
        } else if (taken == FEW) {
          matmul_tile(acc, panel, a, next, n, FEW);
        } else {
          matmul_tile(acc, panel, a, next, n, 2 * FEW);
        }
        if (first + n == k_units) {
          finish_sums(y + column, acc, residual, t, count, b * 16, rows, ld_y, epilogue);
        }
      }
    }
  }
}
