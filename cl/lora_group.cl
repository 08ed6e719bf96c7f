// The adapters of cl/lora.cl on devices of many narrow work-items, bit for bit.
#define LORA_LANES 16

// Work-group: GROUP / 16 rows of A for one token, each by sixteen work-items, which read neighbouring
// columns. a: the input in units of 32 columns, `unit_rows` values apart (cl/matmul_prepare.cl).
KERNEL void lora_down_group(__global float* h, GLOBAL float* A, GLOBAL float* a,
                            GLOBAL float* coefs, const int D, const int R, const int unit_rows,
                            const int first_coef) {
  __local float sums[GROUP];
  const int item = (int)get_local_id(0), lane = item % LORA_LANES, each = GROUP / LORA_LANES;
  const int blocks = (R + each - 1) / each, group = (int)get_group_id(0);
  const int t = group / blocks, r = group % blocks * each + item / LORA_LANES;
  if (coefs[first_coef + t] == 0.0f) return;  // the whole group
  const int D16 = (D + 15) / 16 * 16, units = (D + 31) / 32;
  GLOBAL float* row = A + (long)min(r, R - 1) * D16;
  GLOBAL float* in = a + (long)t * units * unit_rows;
  float acc = 0.0f;
  for (int d = lane; d < D16; d += LORA_LANES) {
    acc = fma(row[d], in[d / 32 * unit_rows + d % 32], acc);
  }
  sums[item] = acc;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lane == 0 && r < R) h[(long)t * R + r] = sum16(vload16(item / LORA_LANES, sums));
}

// Work-item: one output of one token.
KERNEL void lora_up_group(__global float* y, GLOBAL float* B, GLOBAL float* h, GLOBAL float* coefs,
                          const int T, const int R, const int ld_y, const int first_coef,
                          const int rank0, const int rows0, const int column0, const int rank1,
                          const int rows1, const int column1, const int rank2, const int rows2,
                          const int column2, const int stride) {
  const int blocks = lora_blocks(rows0) + lora_blocks(rows1) + lora_blocks(rows2);
  const long item = get_global_id(0);
  const int lane = (int)(item % 16), block = (int)(item / 16 % blocks);
  const int t = (int)(item / 16 / blocks);
  if (t >= T) return;
  const float coef = coefs[first_coef + t];
  if (coef == 0.0f) return;
  const LoraBlock at = lora_block(block, rank0, rows0, column0, rank1, rows1, column1, rank2, rows2,
                                  column2, stride);
  if (lane >= at.rows) return;
  GLOBAL float* w = B + at.B_at + lane;
  GLOBAL float* in = h + (long)t * R + at.h_at;
  float acc = 0.0f;
  for (int r = 0; r < at.rank; ++r) acc = fma(w[r * 16], in[r], acc);
  __global float* out = y + (long)t * ld_y + at.column + lane;
  *out = fma(coef, acc, *out);
}
