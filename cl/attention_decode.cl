// Attention of one token on devices of few wide work-items, split over the cache: every block of positions
// by itself, for all the queries that share its keys, and then the blocks merged in ascending order. Keys
// and values are read once, and the bits are those of cl/attention.cl.
#define RESULT (E16 + 16)  // of a query and a block: weighted values; largest score, total of weights
#define QUERIES (GQA < N_MAX ? GQA : N_MAX)  // that go together

// One block for QUERIES queries, of which n are there, to results ld floats apart.
INLINE void attend_block(__global float* results, const long ld, GLOBAL float* q, GLOBAL KV* keys,
                         GLOBAL KV* values, const int start, const int oldest, const int position,
                         const int n, const float scale, const float one) {
  float16 s[QUERIES * GROUPS];
  float turned[E16 * QUERIES];
  turn_queries(turned, q, E16, n, QUERIES);
#if GQA <= 4
  scores(s, turned, keys, values, scale, QUERIES, 4);
#else
  scores(s, turned, keys, values, scale, QUERIES, 2);
  scores(s + 2, turned, keys + 32 * E16, values + 32 * E16, scale, QUERIES, 2);
#endif
  const int is_whole = start + BLOCK - 1 <= position && start >= oldest;
  for (int i = 0; i < n; ++i) {
    float largest, total;
    block_softmax(s + i * GROUPS, &largest, &total, start, oldest, position, is_whole);
    results[i * ld + E16] = largest;
    results[i * ld + E16 + 1] = total;
  }
  const int lo = max(oldest - start, 0), hi = min(position - start, BLOCK - 1);
  GLOBAL KV* next = keys + (long)BLOCK * E16;
  for (int e = 0; e < E16 / 16; e += 2) {
    float16 sum[2 * N_MAX];
    const int vectors = min(2, E16 / 16 - e);
    if (vectors == 2) {
      weighted_values(sum, (const float*)s, values + e * 16, next + (long)e * BLOCK * 16, lo, hi,
                      QUERIES, 2);
    } else {
      weighted_values(sum, (const float*)s, values + e * 16, next + (long)e * BLOCK * 16, lo, hi,
                      QUERIES, 1);
    }
    // A factor that compilers do not know: they would make a call of a loop that only copies.
    for (int i = 0; i < n; ++i) {
      for (int g = 0; g < vectors; ++g) {
        store16(sum[i * vectors + g] * one, results + i * ld + (e + g) * 16);
      }
    }
  }
}

// Unit: a block of positions of one key-value head.
//   results [H, most_blocks, RESULT] out    q [H * E16]    GQA: H / K    one: 1
KERNEL void attend_blocks(__global float* results, GLOBAL float* q, GLOBAL uchar* keys,
                          GLOBAL uchar* values, GLOBAL int* step, const int K, const int capacity,
                          const int window, const int most_blocks, const float scale,
                          const float one) {
  const int position = step[0], oldest = window > 0 ? max(0, position - window + 1) : 0;
  const int first = oldest / BLOCK, blocks = position / BLOCK - first + 1;
  const int last = SHARE_LAST(K * blocks, PART, PARTS);
  for (int unit = SHARE_FIRST(K * blocks, PART, PARTS); unit < last; ++unit) {
    const int kv = unit / blocks, b = unit % blocks, start = (first + b) * BLOCK;
    const long at = ((long)kv * capacity + start % capacity) * E16;
    for (int i = 0; i < GQA; i += QUERIES) {
      const int h = kv * GQA + i;
      attend_block(results + ((long)h * most_blocks + b) * RESULT, (long)most_blocks * RESULT,
                   q + (long)h * E16, (GLOBAL KV*)keys + at, (GLOBAL KV*)values + at, start, oldest,
                   position, min(QUERIES, GQA - i), scale, one);
    }
  }
}

// Unit: a head. results: as above; the place of scores and totals is used.
//   o [H * E] out
KERNEL void attend_merge(__global float* o, __global float* results, GLOBAL int* step, const int H,
                         const int window, const int most_blocks) {
  const int position = step[0], oldest = window > 0 ? max(0, position - window + 1) : 0;
  const int blocks = position / BLOCK - oldest / BLOCK + 1;
  const int last = SHARE_LAST(H, PART, PARTS);
  for (int h = SHARE_FIRST(H, PART, PARTS); h < last; ++h) {
    __global float* of_head = results + (long)h * most_blocks * RESULT;
    float m = -INFINITY, l = 0.0f;
    for (int b = 0; b < blocks; ++b) {
      __global float* block = of_head + b * RESULT + E16;
      const float block_m = block[0], block_l = block[1], top = fmax(m, block_m);
      block[0] = block_m == -INFINITY ? 1.0f : exp1(m - top);        // of what came before
      block[1] = block_m == -INFINITY ? 0.0f : exp1(block_m - top);  // of this block
      l = fma(block_l, block[1], l * block[0]);
      m = top;
    }
    for (int e = 0; e < HEAD_DIM; e += 16) {
      float16 out = 0.0f;
      for (int b = 0; b < blocks; ++b) {
        GLOBAL float* block = of_head + b * RESULT;
        out = fma(vload16(0, block + e), (float16)(block[E16 + 1]), out * block[E16]);
      }
      store_partial16(out / l, o + (long)h * HEAD_DIM + e, HEAD_DIM - e);
    }
  }
}
