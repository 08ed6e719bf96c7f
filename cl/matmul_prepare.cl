// The input of products of many rows, in tiles of `tile` tokens: packed[t / tile][k][t % tile], columns
// padded with zeros.
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
