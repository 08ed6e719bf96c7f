// The input of products of many rows, in tiles of `tile` tokens. A unit of 32 columns is PREPARED_ROWS
// rows of `tile` values: its columns, padded with zeros, the sums of each half of them, and of all.
//   packed [T / tile, padded_D / 32, PREPARED_ROWS, tile]
// Unit: a token. scratch: [parts, padded_D + padded_D / 16].
KERNEL void prepare(__global float* packed, __global float* sum, __global float* scratch,
                    GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                    GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                    const int first_row, const int tile, const float eps, const int mode) {
  const int sums_at = padded_D, units = padded_D / 32;
  __global float* row = scratch + (long)PART * (padded_D + padded_D / 16);
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    const long from = (long)(first_row + t) * D;
    prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight, sum + (long)t * D, D,
                padded_D, eps, mode);
    sum_columns(row + sums_at, row, padded_D);
    __global float* out = packed + (long)(t / tile) * tile * units * PREPARED_ROWS + t % tile;
    for (int u = 0; u < units; ++u, out += tile * PREPARED_ROWS) {
      for (int c = 0; c < 32; ++c) out[c * tile] = row[u * 32 + c];
      const float first = row[sums_at + 2 * u], second = row[sums_at + 2 * u + 1];
      out[32 * tile] = first;
      out[33 * tile] = second;
      out[34 * tile] = first + second;
    }
  }
}
