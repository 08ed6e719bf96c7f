// Hidden states as callers get them. mode, as for the inputs of products (cl/matmul_common.cl):
//   INPUT_PLAIN          y = x
//   INPUT_NORM           y = rms_norm(x) * norm_weight
//   INPUT_RESIDUAL_NORM  y = rms_norm(x + d) * norm_weight, d = rms_norm(delta) * delta_norm_weight;
//                        with `raw` y = x + d
// in the same order of sums: logits are products of the head with exactly these values.
// Unit: a row.   y [T, D] out    x, delta [T, D]
KERNEL void norm_rows(__global float* y, GLOBAL float* x, GLOBAL float* norm_weight,
                      GLOBAL float* delta, GLOBAL float* delta_norm_weight, const int T,
                      const int D, const float eps, const int mode, const int raw) {
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    const long from = (long)t * D;
    __global float* out = y + from;
    if (!raw) {
      prepare_row(out, x + from, norm_weight, delta + from, delta_norm_weight, 0, D, D, eps, mode);
      continue;
    }
    const float inv = inv_rms(delta + from, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 normed =
          load_partial16(delta + from + d, D - d) * inv * load_partial16(delta_norm_weight + d, D - d);
      store_partial16(load_partial16(x + from + d, D - d) + normed, out + d, D - d);
    }
  }
}
