// Attention of cl/attention.cl on devices with local memory, bit for bit: a work-group of BLOCK work-items
// takes a head and QUERIES queries. Of a block of positions each item has one position's scores, then some
// of the values' columns. Blocks know nothing of each other, so one query's can go to as many work-groups:
// attend_block_group leaves what each gives in memory, attend_merge_group adds it up in ascending order.
#define BLOCK PAGE
#define OWN ((E16 + BLOCK - 1) / BLOCK)  // columns of the values that an item has, BLOCK apart

// What local memory a block needs.
typedef struct {
  float q[QUERIES * E16];
  float4 scores[QUERIES * BLOCK / 4];
  float4 weights[QUERIES * BLOCK / 4];
} Shared;

INLINE void stage_queries(__local Shared* shared, GLOBAL float* q, const long ld_q, const int n,
                          const int item) {
  for (int i = item; i < QUERIES * E16; i += BLOCK) {
    shared->q[i] = q[min(i / E16, n - 1) * ld_q + i % E16];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// Scaled scores of the queries against the position of an item.
INLINE void score_position(float* s, __local const Shared* shared, GLOBAL KV* keys, const float scale,
                           const int item) {
  GLOBAL KV* key = keys + (item / 16) * E16 * 16 + item % 16;
  for (int block = 0; block < KV_BLOCKS; ++block) {
    float sum[QUERIES];
#pragma unroll
    for (int n = 0; n < QUERIES; ++n) sum[n] = 0.0f;
    for (int e = block * KV_COLUMNS; e < min((block + 1) * KV_COLUMNS, E16); ++e) {
      const float k = load_kv1(key + e * 16);
#pragma unroll
      for (int n = 0; n < QUERIES; ++n) sum[n] = fma(shared->q[n * E16 + e], k, sum[n]);
    }
    const float of_key = load_scale1(keys, block, item) * scale;
#pragma unroll
    for (int n = 0; n < QUERIES; ++n) s[n] = block == 0 ? sum[n] * of_key : fma(sum[n], of_key, s[n]);
  }
}

// The block of positions from `start` on: the largest score, the sum of the weights (in every item) and
// this item's columns of the weighted values acc[query * OWN + i], of each query. Of the values only
// [lo, hi] of the block are read. All items come here together.
INLINE void attend_block(float* block_m, float* block_l, float* acc, __local Shared* shared,
                         GLOBAL KV* keys, GLOBAL KV* values, const int start,
                         const int first_position, const int lo, const int hi, const int window,
                         const float scale, const int item) {
  float s[QUERIES];
  score_position(s, shared, keys, scale, item);
#pragma unroll
  for (int n = 0; n < QUERIES; ++n) {
    const int position = first_position + n, at = start + item;
    const int first = window > 0 ? position - window + 1 : 0;
    float v = s[n];
#ifdef SOFT_CAP
    v = SOFT_CAP * tanh16((float16)(v / SOFT_CAP)).s0;
#endif
    s[n] = at <= position && at >= first ? v : -INFINITY;
    ((__local float*)shared->scores)[n * BLOCK + item] = s[n];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int n = 0; n < QUERIES; ++n) {
    float4 top = -INFINITY;
    for (int i = 0; i < BLOCK / 4; ++i) top = fmax(top, shared->scores[n * BLOCK / 4 + i]);
    block_m[n] = fmax(fmax(top.x, top.y), fmax(top.z, top.w));
    // A block without a visible position: all its weights are 0.
    const float w = block_m[n] == -INFINITY ? 0.0f : exp1(s[n] - block_m[n]);
    ((__local float*)shared->weights)[n * BLOCK + item] = w;
  }
  barrier(CLK_LOCAL_MEM_FENCE);  // and nobody reads the scores any more
#pragma unroll
  for (int n = 0; n < QUERIES; ++n) {
    float4 sum[4];  // of sixteen lanes, as sum16 adds them
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] = 0.0f;
#pragma unroll
    for (int i = 0; i < BLOCK / 4; ++i) sum[i % 4] += shared->weights[n * BLOCK / 4 + i];
    const float4 eight0 = sum[0] + sum[2], eight1 = sum[1] + sum[3];
    const float4 four = eight0 + eight1;
    block_l[n] = (four.x + four.z) + (four.y + four.w);
#pragma unroll
    for (int i = 0; i < OWN; ++i) acc[n * OWN + i] = 0.0f;
  }
  for (int j = lo; j <= hi; ++j) {
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      const int e = min(item + i * BLOCK, E16 - 1);
      const float v = load_kv1(values + j * E16 + e), of_value = load_scale1(values, e / KV_COLUMNS, j);
#pragma unroll
      for (int n = 0; n < QUERIES; ++n) {
        const float w = ((__local const float*)shared->weights)[n * BLOCK + j] * of_value;
        acc[n * OWN + i] = fma(w, v, acc[n * OWN + i]);
      }
    }
  }
}

// How much what came before counts from here on, and how much a block: m and l are brought up to date.
INLINE void merge(float* m, float* l, float* from_old, float* from_block, const float block_m,
                  const float block_l) {
  const float top = fmax(*m, block_m);
  *from_old = block_m == -INFINITY ? 1.0f : exp1(*m - top);
  *from_block = block_m == -INFINITY ? 0.0f : exp1(block_m - top);
  *l = fma(block_l, *from_block, *l * *from_old);
  *m = top;
}

// Work-group: a head and QUERIES tokens of a row. QUERIES is what a tile of the step has at most (split = 1), or
// 1 (then `split` groups share a tile, and those left over do its last token again).
//   o [T, H * E] out    q [T, H * E16]
KERNEL void attend_tile_group(__global float* o, GLOBAL float* q, GLOBAL uchar* keys,
                              GLOBAL uchar* values, GLOBAL int* step, const int T, const int split,
                              const int H, const int K, const int cache_group, const int window,
                              const float scale) {
  __local Shared shared;
  const int item = (int)get_local_id(0), group = (int)get_group_id(0), h = group % H;
  const int tile = step[STEP_TILES(T) + group / H / split];
  const int skipped = min(group / H % split, tile % 16 - 1);
  const int t = tile / 16 + skipped, n_queries = min(QUERIES, tile % 16 - skipped);
  GLOBAL int* pages = step + step[STEP_BASES(T, cache_group) + t];
  float out[QUERIES * OWN], m[QUERIES], l[QUERIES];
#pragma unroll
  for (int n = 0; n < QUERIES; ++n) {
    m[n] = -INFINITY;
    l[n] = 0.0f;
#pragma unroll
    for (int i = 0; i < OWN; ++i) out[n * OWN + i] = 0.0f;
  }
  stage_queries(&shared, q + ((long)t * H + h) * E16, (long)H * E16, n_queries, item);
  const int first_position = step[STEP_POSITIONS(T) + t], last_position = first_position + n_queries - 1;
  const int oldest = window > 0 ? max(0, first_position - window + 1) : 0;
  for (int start = oldest / BLOCK * BLOCK; start <= last_position; start += BLOCK) {
    const long at = page_at(pages, start / BLOCK, K, h / (H / K));
    float block_m[QUERIES], block_l[QUERIES], acc[QUERIES * OWN];
    attend_block(block_m, block_l, acc, &shared, (GLOBAL KV*)keys + at, (GLOBAL KV*)values + at,
                 start, first_position, max(oldest - start, 0), min(last_position - start, BLOCK - 1),
                 window, scale, item);
#pragma unroll
    for (int n = 0; n < QUERIES; ++n) {
      float from_old, from_block;
      merge(m + n, l + n, &from_old, &from_block, block_m[n], block_l[n]);
#pragma unroll
      for (int i = 0; i < OWN; ++i) {
        out[n * OWN + i] = fma(acc[n * OWN + i], from_block, out[n * OWN + i] * from_old);
      }
    }
  }
#pragma unroll
  for (int n = 0; n < QUERIES; ++n) {
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      const int e = item + i * BLOCK;
      if (n < n_queries && e < HEAD_DIM) {
        o[((long)(t + n) * H + h) * HEAD_DIM + e] = out[n * OWN + i] / l[n];
      }
    }
  }
}

// Of rows of one token (QUERIES = 1). Work-group: a row, a head and one of `blocks` blocks that can be in its
// window.   parts [singles, H, blocks, E16 + 2] out: weighted values, largest score, sum of weights
KERNEL void attend_block_group(__global float* parts, GLOBAL float* q, GLOBAL uchar* keys,
                               GLOBAL uchar* values, GLOBAL int* step, const int T, const int blocks,
                               const int H, const int K, const int cache_group, const int window,
                               const float scale) {
  __local Shared shared;
  const int item = (int)get_local_id(0), group = (int)get_group_id(0), h = group % H;
  const int b = group / H % blocks, single = group / H / blocks, t = step[STEP_SINGLES(T) + single];
  stage_queries(&shared, q + ((long)t * H + h) * E16, 0, 1, item);
  const int position = step[STEP_POSITIONS(T) + t], oldest = window > 0 ? max(0, position - window + 1) : 0;
  const int start = (oldest / BLOCK + b) * BLOCK;
  if (start <= position) {
    const long at = page_at(step + step[STEP_BASES(T, cache_group) + t], start / BLOCK, K, h / (H / K));
    float block_m[QUERIES], block_l[QUERIES], acc[OWN];
    attend_block(block_m, block_l, acc, &shared, (GLOBAL KV*)keys + at, (GLOBAL KV*)values + at,
                 start, position, max(oldest - start, 0), min(position - start, BLOCK - 1), window,
                 scale, item);
    __global float* part = parts + (((long)single * H + h) * blocks + b) * (E16 + 2);
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      if (item + i * BLOCK < E16) part[item + i * BLOCK] = acc[i];
    }
    if (item == 0) {
      part[E16] = block_m[0];
      part[E16 + 1] = block_l[0];
    }
  }
}

// Work-group: a head of a row.   o [T, H * E] out
KERNEL void attend_merge_group(__global float* o, GLOBAL float* parts, GLOBAL int* step, const int T,
                               const int blocks, const int H, const int window) {
  const int item = (int)get_local_id(0), group = (int)get_group_id(0);
  const int t = step[STEP_SINGLES(T) + group / H], position = step[STEP_POSITIONS(T) + t];
  const int oldest = window > 0 ? max(0, position - window + 1) : 0;
  const int n = position / BLOCK - oldest / BLOCK + 1;
  GLOBAL float* part = parts + (long)group * blocks * (E16 + 2);
  float out[OWN], m = -INFINITY, l = 0.0f;
#pragma unroll
  for (int i = 0; i < OWN; ++i) out[i] = 0.0f;
  for (int b = 0; b < n; ++b, part += E16 + 2) {
    float from_old, from_block;
    merge(&m, &l, &from_old, &from_block, part[E16], part[E16 + 1]);
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      const int e = min(item + i * BLOCK, E16 - 1);
      out[i] = fma(part[e], from_block, out[i] * from_old);
    }
  }
#pragma unroll
  for (int i = 0; i < OWN; ++i) {
    const int e = item + i * BLOCK;
    if (e < HEAD_DIM) o[((long)t * H + group % H) * HEAD_DIM + e] = out[i] / l;
  }
}
