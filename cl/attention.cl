// Attention over the cache (cl/kv_cache.cl). A query walks its positions in blocks of 64 (aligned to absolute
// positions): scores, a softmax of the block, its weighted values; then the block is merged into what came
// before (Milakov & Gimelshein 2018). Blocks are merged in ascending order whatever the tile: a query has
// the same bits in decode (cl/attention_decode.cl) and prefill.
#define BLOCK PAGE
#define GROUPS (BLOCK / 16)

// sum[n][g] = fma(a[n * stride], v[g], sum[n][g]) for N queries and G vectors. Sums that begin are 0: loops
// that only clear or copy become calls that keep vectors out of registers.
INLINE void outer_product(float16* sum, const float* a, const int stride, GLOBAL KV* v,
                          const long ld_v, const int begins, const int N, const int G) {
  float16 of_v[GROUPS];
#pragma unroll
  for (int g = 0; g < G; ++g) of_v[g] = load_kv16(v + g * ld_v);
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int g = 0; g < G; ++g) {
      sum[n * G + g] =
          fma((float16)(a[n * stride]), of_v[g], begins ? (float16)(0.0f) : sum[n * G + g]);
    }
  }
}

// The i-th G vectors from p on.
INLINE void fetch_vectors(GLOBAL KV* p, const int i, const int G) {
  GLOBAL uchar* first = (GLOBAL uchar*)(p + (long)i * G * 16);
#pragma unroll
  for (int at = 0; at < G * 16 * (int)sizeof(KV); at += CACHE_LINE) PREFETCH(first + at);
}

// Scaled scores of N queries against groups first ... first + G - 1 of sixteen positions of a page, to
// s[n * GROUPS + group]. q [N, E16]. next: what is read next, or null; few queries take so little time for each
// page that it is fetched ahead.
INLINE void scores(float16* s, const float* q, GLOBAL KV* page, const int first, GLOBAL KV* next,
                   const float scale, const int N, const int G) {
  GLOBAL KV* keys = page + first * E16 * 16;
  for (int block = 0; block < KV_BLOCKS; ++block) {
    float16 sum[2 * N_MAX];
    const int begin = block * KV_COLUMNS, end = min(begin + KV_COLUMNS, E16);
    if (next) fetch_vectors(next, begin, G);
    outer_product(sum, q + begin, E16, keys + begin * 16, E16 * 16, 1, N, G);
    for (int e = begin + 1; e < end; ++e) {
      if (next) fetch_vectors(next, e, G);
      outer_product(sum, q + e, E16, keys + e * 16, E16 * 16, 0, N, G);
    }
#pragma unroll
    for (int g = 0; g < G; ++g) {
      const float16 of_keys = load_scales16(page, block, (first + g) * 16) * scale;
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float16* of_query = s + n * GROUPS + first + g;
        *of_query = block == 0 ? sum[n * G + g] * of_keys : fma(sum[n * G + g], of_keys, *of_query);
      }
    }
  }
}

// The weights s [N, PAGE] times the scales of the values' columns 16 e ..., as weighted_values wants them: in
// `scaled` where there are scales.
INLINE const float* value_weights(float16* scaled, const float16* s, GLOBAL KV* page, const int e,
                                  const int N) {
#if defined(KV_Q8)
#pragma unroll
  for (int g = 0; g < GROUPS; ++g) {
    const float16 of_values = load_scales16(page, e * 16 / KV_COLUMNS, g * 16);
#pragma unroll
    for (int n = 0; n < N; ++n) scaled[n * GROUPS + g] = s[n * GROUPS + g] * of_values;
  }
  return (const float*)scaled;
#else
  return (const float*)s;
#endif
}

// sum[n][g] = sum over positions [lo, hi] of p[n][position] * values[position, 16 g ...], for G vectors of
// the head from `values` on, of one block of columns. next: as above.
INLINE void weighted_values(float16* sum, const float* p, GLOBAL KV* values, GLOBAL KV* next,
                            const int lo, const int hi, const int N, const int G) {
  if (next) fetch_vectors(next, lo, G);
  outer_product(sum, p + lo, BLOCK, values + (long)lo * E16, 16, 1, N, G);
  for (int j = lo + 1; j <= hi; ++j) {
    if (next) fetch_vectors(next, j, G);
    outer_product(sum, p + j, BLOCK, values + (long)j * E16, 16, 0, N, G);
  }
}

// The same, into a block's results: out = from_block * sum + from_old * out.
INLINE void merge_values(float16* out, const float* p, GLOBAL KV* values, const int lo, const int hi,
                         const float* from_old, const float* from_block, const int N, const int G) {
  float16 sum[2 * N_MAX];
  weighted_values(sum, p, values, 0, lo, hi, N, G);
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int g = 0; g < G; ++g) {
      float16* o = out + n * (E16 / 16) + g;
      *o = fma(sum[n * G + g], (float16)(from_block[n]), *o * from_old[n]);
    }
  }
}

// Scores of N queries to weights exp(s - the query's largest) of the block's first `groups` groups of positions;
// those that query n, at `position` + n * next_position, does not see are 0. Lane n: the largest score and the
// sum of the weights. Groups that no query sees would change nothing.
INLINE void block_softmax(float16* s, float16* largest, float16* total, const int start,
                          const int position, const int next_position, const int window,
                          const int is_whole, const int groups, const int N) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  float16 of_query[N_MAX];
  for (int g = 0; g < groups; ++g) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      float16 v = s[n * GROUPS + g];
#ifdef SOFT_CAP
      v = SOFT_CAP * tanh16(v / SOFT_CAP);
#endif
      if (!is_whole) {
        const int last = position + n * next_position, first = window > 0 ? last - window + 1 : 0;
        const int16 at = start + g * 16 + lanes;
        v = select((float16)(-INFINITY), v, at <= last && at >= first);
      }
      s[n * GROUPS + g] = v;
      of_query[n] = g == 0 ? v : larger(v, of_query[n]);
    }
  }
  *largest = largest_of_lanes(of_query, N);
  // A block without a visible position: all its weights are 0.
  float base[16];
  vstore16(select(*largest, (float16)(0.0f), *largest == -INFINITY), 0, base);
  for (int g = 0; g < groups; ++g) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const float16 weight = exp_of_negative16(s[n * GROUPS + g] - base[n]);
      s[n * GROUPS + g] = weight;
      of_query[n] = g == 0 ? weight : of_query[n] + weight;
    }
  }
  *total = sums_of_lanes(of_query, N);
}

// own [N, E16] = q; the last of n queries stands in for those that are not there.
INLINE void take_queries(float* own, GLOBAL float* q, const long ld_q, const int n, const int N) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    for (int e = 0; e < E16; e += 16) keep16(load16(q + min(i, n - 1) * ld_q + e), own + i * E16 + e);
  }
}

// Queries of one head at positions first_position ... + n - 1, n <= N <= 16.
INLINE void attend_tile(__global float* o, const long ld_o, GLOBAL float* q, const long ld_q,
                        GLOBAL KV* keys, GLOBAL KV* values, GLOBAL int* pages, const int K, const int kv,
                        const int first_position, const int n, const int window, const float scale,
                        const int N) {
  float16 out[N_MAX * (E16 / 16)], s[N_MAX * GROUPS], scaled[N_MAX * GROUPS];
  float own[N_MAX * E16], from_old[16], from_block[16];
  float16 m = -INFINITY, l = 0.0f;  // of each query: the largest score so far, the sum of weights
  for (int i = 0; i < N * (E16 / 16); ++i) out[i] = 0.0f;
  take_queries(own, q, ld_q, n, N);
  const int last_position = first_position + n - 1;
  const int oldest = window > 0 ? max(0, first_position - window + 1) : 0;
  for (int start = oldest / BLOCK * BLOCK; start <= last_position; start += BLOCK) {
    const long at = page_at(pages, start / BLOCK, K, kv);
    GLOBAL KV* k = keys + at;
    GLOBAL KV* v = values + at;
    const int groups = min((last_position - start) / 16 + 1, GROUPS);
    int g = 0;
    for (; g + 2 <= groups; g += 2) scores(s, own, k, g, 0, scale, N, 2);
    if (g < groups) scores(s, own, k, g, 0, scale, N, 1);
    const int is_whole = start + BLOCK - 1 <= first_position &&
                         (window <= 0 || start > last_position - window);
    float16 new_m, new_l;
    block_softmax(s, &new_m, &new_l, start, first_position, 1, window, is_whole, groups,
                  N);
    const float16 top = larger(m, new_m);
    const int16 is_empty = new_m == -INFINITY;
    const float16 old_factor = select(exp_of_negative16(m - top), (float16)(1.0f), is_empty);
    const float16 new_factor = select(exp_of_negative16(new_m - top), (float16)(0.0f), is_empty);
    l = fma(new_l, new_factor, l * old_factor);
    m = top;
    vstore16(old_factor, 0, from_old);
    vstore16(new_factor, 0, from_block);

    const int lo = max(oldest - start, 0), hi = min(last_position - start, BLOCK - 1);
    int e = 0;
    for (; e + 2 <= E16 / 16; e += 2) {
      const float* weights = value_weights(scaled, s, v, e, N);
      merge_values(out + e, weights, v + e * 16, lo, hi, from_old, from_block, N, 2);
    }
    if (e < E16 / 16) {
      const float* weights = value_weights(scaled, s, v, e, N);
      merge_values(out + e, weights, v + e * 16, lo, hi, from_old, from_block, N, 1);
    }
  }
  float of_l[16];
  vstore16(l, 0, of_l);
  for (int i = 0; i < n; ++i) {
    for (int e = 0; e < HEAD_DIM; e += 16) {
      store_partial16(out[i * (E16 / 16) + e / 16] / of_l[i], o + i * ld_o + e, HEAD_DIM - e);
    }
  }
}

// Unit: a head and a tile of up to N_MAX tokens of a row. Heads share keys in groups of H / K.
//   o [T, H * E] out    q [T, H * E16]
KERNEL void attend(__global float* o, GLOBAL float* q, GLOBAL uchar* keys, GLOBAL uchar* values,
                   GLOBAL int* step, const int T, const int tiles, const int H, const int K,
                   const int cache_group, const int window, const float scale) {
  for (int unit = PART; unit < tiles * H; unit += PARTS) {
    const int h = unit % H, tile = step[STEP_TILES(T) + unit / H], t = tile / 16;
    attend_tile(o + ((long)t * H + h) * HEAD_DIM, (long)H * HEAD_DIM, q + ((long)t * H + h) * E16,
                (long)H * E16, (GLOBAL KV*)keys, (GLOBAL KV*)values,
                step + step[STEP_BASES(T, cache_group) + t], K, h / (H / K),
                step[STEP_POSITIONS(T) + t], tile % 16, window, scale, N_MAX);
  }
}
