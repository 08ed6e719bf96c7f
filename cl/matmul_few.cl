// Products of a few rows on CPU devices (cl/matmul_common.cl says in which order they add). A column of sixteen
// rows of W becomes floats (or bytes) once, in registers, and meets one value of each token of a tile: W is read as
// often as there are tiles, and nothing of it is written. The kernel makes its input ready itself, as matvec does.
//
// cl/matmul_few_float.cl or cl/matmul_few_int8.cl say how the input of a tile lies, [padded_K / 32, FEW_ROWS, N]
// for N tokens, and have the product of a tile.

INLINE void few_input(__global float* a, GLOBAL float* const* row, const int units,
                      __global float* turned, const int N) {
  for (int u = 0; u < units; ++u, a += FEW_ROWS * N) few_unit(a, row, u, turned, N);
}

// Each by itself: in one function compilers make copies of them for the branches around them.
NOINLINE void few_tile2(float16* acc, GLOBAL uchar* w, const long second, const long ahead,
                        GLOBAL float* a, const int K) {
  few_tile(acc, w, second, ahead, a, K, 2);
}
NOINLINE void few_tile4(float16* acc, GLOBAL uchar* w, const long second, const long ahead,
                        GLOBAL float* a, const int K) {
  few_tile(acc, w, second, ahead, a, K, 4);
}
NOINLINE void few_tile8(float16* acc, GLOBAL uchar* w, const long second, const long ahead,
                        GLOBAL float* a, const int K) {
  few_tile(acc, w, second, ahead, a, K, 8);
}

// What becomes of the sums of a token and two row blocks, or of the first alone.
INLINE void few_finish(const float16 sum0, const float16 sum1, __global float* y,
                       GLOBAL float* residual, const int row, const int has_second, const int rows,
                       const int epilogue) {
  if (IS_GATED(epilogue)) {
    store16(gated(sum0, sum1, epilogue == EPILOGUE_GELU_GATE), y + row / 2);
    return;
  }
  finish(sum0, y, residual, row, rows, epilogue);
  if (has_second) finish(sum1, y, residual, row + 16, rows, epilogue);
}

// Tokens that a tile has room for, of which `left` are there.
INLINE int few_room(const int left) { return left > 4 ? 8 : left > 2 ? 4 : 2; }

// Unit: a row block, or a pair of them where gated.
//   scratch [parts, FEW_SPACE + FEW_TOKENS padded_K, then the inputs of all tiles]
KERNEL void matmul_few(__global float* y, __global float* sum, __global float* scratch,
                       GLOBAL uchar* w, GLOBAL float* x, GLOBAL float* norm_weight,
                       GLOBAL float* delta, GLOBAL float* delta_norm_weight, GLOBAL float* bias,
                       GLOBAL float* residual, const int T, const int K, const int padded_K,
                       const int rows, const int first_row, const int ld_y, const int column,
                       const float eps, const int mode, const int epilogue, const int has_bias) {
  const int k_units = padded_K / UNIT_COLUMNS, tiles = (T + FEW_TOKENS - 1) / FEW_TOKENS;
  const long tile_floats = (long)k_units * FEW_ROWS * FEW_TOKENS;
  __global float* turned = scratch + PART * (FEW_SPACE + (long)FEW_TOKENS * padded_K + tiles * tile_floats);
  __global float* ready = turned + FEW_SPACE;
  __global float* inputs = ready + FEW_TOKENS * padded_K;
  for (int i = 0; i < tiles; ++i) {
    GLOBAL float* row[FEW_TOKENS];
    const int t0 = i * FEW_TOKENS, n = min(FEW_TOKENS, T - t0), room = few_room(n);
    for (int t = 0; t < n; ++t) {
      const long from = (long)(first_row + t0 + t) * K;
      row[t] = x + from;
      if (mode == INPUT_PLAIN && K == padded_K) continue;
      row[t] = ready + t * padded_K;
      prepare_row(ready + t * padded_K, x + from, norm_weight, delta + from, delta_norm_weight,
                  PART == 0 ? sum + (long)(t0 + t) * K : 0, K, padded_K, eps, mode);
    }
    for (int t = n; t < room; ++t) row[t] = row[n - 1];  // stands in for those that are not there
    __global float* a = inputs + i * tile_floats;
    if (room == 8) {
      few_input(a, row, k_units, turned, 8);
    } else if (room == 4) {
      few_input(a, row, k_units, turned, 4);
    } else {
      few_input(a, row, k_units, turned, 2);
    }
  }
  const long stride = ROW_BLOCK_BYTES(K);
  const int per_unit = IS_GATED(epilogue) ? 2 : 1, units = (rows + 15) / 16 / per_unit;
  const int last = SHARE_LAST(units, PART, PARTS) * per_unit;
  for (int b = SHARE_FIRST(units, PART, PARTS) * per_unit; b < last; b += 2) {
    // Where there is no second block the first stands in for it.
    const int has_second = b + 1 < last;
    const float16 bias0 = first_sum(bias, b, has_bias);
    const float16 bias1 = first_sum(bias, b + has_second, has_bias);
    GLOBAL uchar* blocks = w + b * stride;
    const long second = has_second ? stride : 0;
    for (int i = 0; i < tiles; ++i) {
      const int t0 = i * FEW_TOKENS, n = min(FEW_TOKENS, T - t0), room = few_room(n);
      GLOBAL float* a = inputs + i * tile_floats;
      float16 acc[2 * FEW_TOKENS];
      for (int t = 0; t < room; ++t) {
        acc[2 * t] = bias0;
        acc[2 * t + 1] = bias1;
      }
      if (room == 8) {
        few_tile8(acc, blocks, second, stride, a, K);
      } else if (room == 4) {
        few_tile4(acc, blocks, second, stride, a, K);
      } else {
        few_tile2(acc, blocks, second, stride, a, K);
      }
      for (int t = 0; t < n; ++t) {
        const long at = t0 + t;
        few_finish(acc[2 * t], acc[2 * t + 1], y + column + at * ld_y, residual + at * rows, b * 16,
                   has_second, rows, epilogue);
      }
    }
  }
}
