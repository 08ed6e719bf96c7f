// The input of products (src/ops/matmul.h, MatmulInput): plain, normed, or residual and normed
// (RMSNorm: Zhang & Sennrich 2019, eq. 4). Sums run over sixteen lanes and then a fixed tree.
#define INPUT_PLAIN 0
#define INPUT_NORM 1
#define INPUT_RESIDUAL_NORM 2

INLINE float inv_rms(GLOBAL float* x, const int D, const float eps) {
  float16 sum = 0.0f;
  for (int d = 0; d < D; d += 16) {
    const float16 v = load_partial16(x + d, D - d);
    sum = fma(v, v, sum);
  }
  return 1.0f / sqrt(sum16(sum) / (float)D + eps);
}

// One row of the input into row[0, D), zeros up to padded_D. `sum`, where not null, gets x + the
// normed delta. row may not overlap the inputs.
INLINE void prepare_row(__global float* row, GLOBAL float* x, GLOBAL float* norm_weight,
                        GLOBAL float* delta, GLOBAL float* delta_norm_weight, __global float* sum,
                        const int D, const int padded_D, const float eps, const int mode) {
  if (mode == INPUT_RESIDUAL_NORM) {
    const float inv = inv_rms(delta, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 normed =
          load_partial16(delta + d, D - d) * inv * load_partial16(delta_norm_weight + d, D - d);
      const float16 v = load_partial16(x + d, D - d) + normed;
      store_partial16(v, row + d, D - d);
      if (sum) store_partial16(v, sum + d, D - d);
    }
  } else {
    for (int d = 0; d < D; d += 16) store_partial16(load_partial16(x + d, D - d), row + d, D - d);
  }
  if (mode != INPUT_PLAIN) {
    const float inv = inv_rms(row, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 v = load_partial16(row + d, D - d) * inv;
      store_partial16(v * load_partial16(norm_weight + d, D - d), row + d, D - d);
    }
  }
  for (int d = D; d < padded_D; ++d) row[d] = 0.0f;
}

// Unit: a token. scratch: [parts, padded_D].
KERNEL void prepare(__global float* packed, __global float* sum, __global float* scratch,
                    GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                    GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                    const int first_row, const int tile, const float eps, const int mode) {
  __global float* row = scratch + (long)PART * padded_D;
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    const long from = (long)(first_row + t) * D;
    prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight, sum + (long)t * D, D,
                padded_D, eps, mode);
    __global float* out = packed + (long)(t / tile) * tile * padded_D + t % tile;
    for (int d = 0; d < padded_D; ++d) out[(long)d * tile] = row[d];
  }
}
