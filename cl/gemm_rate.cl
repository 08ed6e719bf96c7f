// Products of matrices in float32 and nothing else, from memory that the nearest cache holds: the limit
// that kernels bound by arithmetic are measured against.
//
//   out [items, TILE] out, so that the products are needed    panel [K, 2] in, vectors of VECTOR_WIDTH
//   a [K, TILE] in                                            rounds: times that the product is taken
//
// Launch: any {items, local}; every work-item keeps TILE x 2 vectors of sums in registers.
// Operations: items * rounds * K * TILE * 2 * VECTOR_WIDTH * 2.
#ifndef TILE
#define TILE 12
#endif
#ifndef VECTOR_WIDTH
#define VECTOR_WIDTH 16  // 4 or 16
#endif
#if VECTOR_WIDTH == 16
typedef float16 vector;
#else
typedef float4 vector;
#endif

// The hint: work-items use vectors already (see common.cl).
__kernel __attribute__((vec_type_hint(vector))) void gemm_rate(
    __global vector* out, __global const vector* panel, __global const float* a, const int K,
    const int rounds) {
  vector acc0[TILE], acc1[TILE];
#pragma unroll
  for (int t = 0; t < TILE; ++t) acc0[t] = acc1[t] = (vector)(0.0f);
  for (int round = 0; round < rounds; ++round) {
    for (int k = 0; k < K; ++k) {
      const vector w0 = panel[2 * k], w1 = panel[2 * k + 1];
#pragma unroll
      for (int t = 0; t < TILE; ++t) {
        const vector v = (vector)(a[k * TILE + t]);
        acc0[t] = fma(w0, v, acc0[t]);
        acc1[t] = fma(w1, v, acc1[t]);
      }
    }
  }
  const size_t item = get_global_id(0);
#pragma unroll
  for (int t = 0; t < TILE; ++t) out[item * TILE + t] = acc0[t] + acc1[t];
}
