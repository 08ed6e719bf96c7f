// Attention of rows of one token on devices of few wide work-items, split over the cache: every block of
// positions by itself, for all the queries that share its keys, and then the blocks merged in ascending order. Keys
// and values are read once, and the bits are those of cl/attention.cl.
#define RESULT (E16 + 16)  // of a query and a block: weighted values; largest score, total of weights
#define QUERIES (GQA < N_MAX ? GQA : N_MAX)  // that go together

// One block for QUERIES queries, of which n are there, to results ld floats apart. next: the keys of the block
// that is read next.
INLINE void attend_block(__global float* results, const long ld, GLOBAL float* q, GLOBAL KV* keys,
                         GLOBAL KV* values, GLOBAL KV* next, const int start, const int oldest,
                         const int position, const int window, const int n, const float scale, const float one) {
  float16 s[QUERIES * GROUPS], scaled[QUERIES * GROUPS];
  float own[QUERIES * E16];
  take_queries(own, q, E16, n, QUERIES);
#if GQA <= 4
  scores(s, own, keys, 0, values, scale, QUERIES, 4);
#else
  scores(s, own, keys, 0, values, scale, QUERIES, 2);
  scores(s, own, keys, 2, values + 32 * E16, scale, QUERIES, 2);
#endif
  const int is_whole = start + BLOCK - 1 <= position && start >= oldest;
  float16 largest, total;
  float of_largest[16], of_total[16];
  block_softmax(s, &largest, &total, start, position, 0, window, is_whole, GROUPS, QUERIES);
  vstore16(largest, 0, of_largest);
  vstore16(total, 0, of_total);
  for (int i = 0; i < n; ++i) {
    results[i * ld + E16] = of_largest[i];
    results[i * ld + E16 + 1] = of_total[i];
  }
  const int lo = max(oldest - start, 0), hi = min(position - start, BLOCK - 1);
  for (int e = 0; e < E16 / 16; e += 2) {
    float16 sum[2 * N_MAX];
    const int vectors = min(2, E16 / 16 - e);
    const float* weights = value_weights(scaled, s, values, e, QUERIES);
    GLOBAL KV* fetched = next + (long)e * BLOCK * 16;
    if (vectors == 2) {
      weighted_values(sum, weights, values + e * 16, fetched, lo, hi, QUERIES, 2);
    } else {
      weighted_values(sum, weights, values + e * 16, fetched, lo, hi, QUERIES, 1);
    }
    // A factor that compilers do not know: they would make a call of a loop that only copies.
    for (int i = 0; i < n; ++i) {
      for (int g = 0; g < vectors; ++g) {
        store16(sum[i * vectors + g] * one, results + i * ld + (e + g) * 16);
      }
    }
  }
}

// The blocks that a token at `position` sees: from oldest_of(...) / BLOCK on.
INLINE int oldest_of(const int position, const int window) {
  return window > 0 ? max(0, position - window + 1) : 0;
}
INLINE int blocks_of(const int position, const int window) {
  return position / BLOCK - oldest_of(position, window) / BLOCK + 1;
}

// Blocks [first, last) of the row of token t, counted by key-value head and then by block.
INLINE void attend_row(__global float* results, GLOBAL float* q, GLOBAL KV* keys, GLOBAL KV* values,
                       GLOBAL int* pages, const int first, const int last, const int position,
                       const int K, const int window, const int most_blocks, const float scale,
                       const float one) {
  const int oldest = oldest_of(position, window), blocks = blocks_of(position, window);
  for (int unit = first; unit < last; ++unit) {
    const int kv = unit / blocks, b = oldest / BLOCK + unit % blocks, next = min(unit + 1, last - 1);
    const long at = page_at(pages, b, K, kv);
    const long next_at = page_at(pages, oldest / BLOCK + next % blocks, K, next / blocks);
    for (int i = 0; i < GQA; i += QUERIES) {
      const int h = kv * GQA + i;
      attend_block(results + ((long)h * most_blocks + unit % blocks) * RESULT, (long)most_blocks * RESULT,
                   q + (long)h * E16, keys + at, values + at, keys + next_at, b * BLOCK, oldest,
                   position, window, min(QUERIES, GQA - i), scale, one);
    }
  }
}

// Unit: a block of positions of one key-value head of a row.
//   results [singles, H, most_blocks, RESULT] out    q [T, H * E16]    GQA: H / K    one: 1
KERNEL void attend_blocks(__global float* results, GLOBAL float* q, GLOBAL uchar* keys,
                          GLOBAL uchar* values, GLOBAL int* step, const int T, const int singles,
                          const int K, const int cache_group, const int window,
                          const int most_blocks, const float scale, const float one) {
  const int H = K * GQA;
  int units = 0;
  for (int i = 0; i < singles; ++i) {
    units += K * blocks_of(step[STEP_POSITIONS(T) + step[STEP_SINGLES(T) + i]], window);
  }
  const int first = SHARE_FIRST(units, PART, PARTS), last = SHARE_LAST(units, PART, PARTS);
  int begin = 0;  // of the row's units
  for (int i = 0; i < singles && begin < last; ++i) {
    const int t = step[STEP_SINGLES(T) + i], position = step[STEP_POSITIONS(T) + t];
    const int of_row = K * blocks_of(position, window);
    attend_row(results + (long)i * H * most_blocks * RESULT, q + (long)t * H * E16, (GLOBAL KV*)keys,
               (GLOBAL KV*)values, step + step[STEP_BASES(T, cache_group) + t], max(first - begin, 0),
               min(last - begin, of_row), position, K, window, most_blocks, scale, one);
    begin += of_row;
  }
}

// Unit: a head of a row. results: as above; the place of scores and totals is used.
//   o [T, H * E] out
KERNEL void attend_merge(__global float* o, __global float* results, GLOBAL int* step, const int T,
                         const int singles, const int H, const int window, const int most_blocks) {
  const int last = SHARE_LAST(singles * H, PART, PARTS);
  for (int unit = SHARE_FIRST(singles * H, PART, PARTS); unit < last; ++unit) {
    const int t = step[STEP_SINGLES(T) + unit / H];
    const int blocks = blocks_of(step[STEP_POSITIONS(T) + t], window);
    __global float* of_head = results + (long)unit * most_blocks * RESULT;
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
      store_partial16(out / l, o + ((long)t * H + unit % H) * HEAD_DIM + e, HEAD_DIM - e);
    }
  }
}
