// Rotary embedding into the cache, and attention over it. E = HEAD_DIM, E16 = E rounded up to 16.
//
//   keys   [K, capacity / 16, E16, 16]   sixteen positions side by side: scores need no sum across lanes
//   values [K, capacity, E16]            position p lives at slot p % capacity
//
// Both are float, or half where KV_F16: rounded once, when they are stored. Arithmetic is float either way.
//
// A query walks its positions in blocks of 64 (aligned to absolute positions): scores, a softmax of the
// block, its weighted values; then the block is merged into what came before (Milakov & Gimelshein 2018).
// Blocks are merged in ascending order whatever the tile: a query has the same bits in decode and prefill.
#define E16 ((HEAD_DIM + 15) / 16 * 16)
#define BLOCK 64
#define GROUPS (BLOCK / 16)

#ifdef KV_F16
#define KV ushort
INLINE float16 load_kv16(GLOBAL KV* p) { return load_half16((GLOBAL uchar*)p); }
INLINE ushort16 to_kv16(const float16 x) { return half16_bits(x); }
#else
#define KV float
INLINE float16 load_kv16(GLOBAL KV* p) { return vload16(0, p); }
INLINE float16 to_kv16(const float16 x) { return x; }
#endif

// Rotates x[0, 2 * half_R) in place: dimension i turns with i + half_R.
INLINE void rotate(float* x, const float* cos_t, const float* sin_t, const int half_R) {
  for (int i = 0; i < half_R; ++i) {
    const float a = x[i], b = x[i + half_R];
    x[i] = fma(a, cos_t[i], -(b * sin_t[i]));
    x[i + half_R] = fma(b, cos_t[i], a * sin_t[i]);
  }
}

// One head of E values to x[0, E16), normed where `normed`.
INLINE void load_head(float* x, GLOBAL float* from, GLOBAL float* norm_weight, const float eps,
                      const int normed) {
  float16 sum = 0.0f;
  for (int e = 0; e < HEAD_DIM; e += 16) {
    const float16 v = load_partial16(from + e, HEAD_DIM - e);
    sum = fma(v, v, sum);
    vstore16(v, 0, x + e);
  }
  if (!normed) return;
  const float inv = 1.0f / sqrt(sum16(sum) / (float)HEAD_DIM + eps);
  for (int e = 0; e < HEAD_DIM; ++e) x[e] = x[e] * inv * norm_weight[e];
}

// Unit: a token, all its heads.
//   q [T, H * E16] out    qkv [T, (H + 2K) * E]    inv_freq [half_R]
KERNEL void rope_append(__global float* q, __global uchar* keys, __global uchar* values,
                        GLOBAL float* qkv, GLOBAL float* inv_freq, GLOBAL float* q_norm_weight,
                        GLOBAL float* k_norm_weight, GLOBAL int* step, const int T, const int H,
                        const int K, const int half_R, const int capacity, const float factor,
                        const float eps, const int normed) {
  for (int t = PART; t < T; t += PARTS) {
    const int position = step[0] + t, slot = position % capacity;
    float cos_t[HEAD_DIM / 2 + 1], sin_t[HEAD_DIM / 2 + 1];
    for (int i = 0; i < half_R; ++i) {
      const float angle = (float)position * inv_freq[i];
      cos_t[i] = cos(angle) * factor;
      sin_t[i] = sin(angle) * factor;
    }
    GLOBAL float* heads = qkv + (long)t * (H + 2 * K) * HEAD_DIM;
    float x[E16];
    for (int h = 0; h < H; ++h) {
      load_head(x, heads + h * HEAD_DIM, q_norm_weight, eps, normed);
      rotate(x, cos_t, sin_t, half_R);
      for (int e = 0; e < E16; e += 16) vstore16(vload16(0, x + e), 0, q + ((long)t * H + h) * E16 + e);
    }
    for (int h = 0; h < K; ++h) {
      load_head(x, heads + (H + h) * HEAD_DIM, k_norm_weight, eps, normed);
      rotate(x, cos_t, sin_t, half_R);
      __global KV* key =
          (__global KV*)keys + ((long)h * (capacity / 16) + slot / 16) * E16 * 16 + slot % 16;
      for (int e = 0; e < E16; e += 16) {
        KV lanes[16];
        vstore16(to_kv16(vload16(0, x + e)), 0, lanes);
        for (int i = 0; i < 16; ++i) key[(e + i) * 16] = lanes[i];
      }
      GLOBAL float* from = heads + (H + K + h) * HEAD_DIM;
      __global KV* value = (__global KV*)values + ((long)h * capacity + slot) * E16;
      for (int e = 0; e < HEAD_DIM; e += 16) {
        vstore16(to_kv16(load_partial16(from + e, HEAD_DIM - e)), 0, value + e);
      }
    }
  }
}

// Scores of N queries against G groups of sixteen positions: s[n * G + g]. Only `rows` queries are
// there; the last one stands in for the rest.
INLINE void scores(float16* s, GLOBAL float* q, const long ld_q, const int rows,
                   GLOBAL KV* keys, const int N, const int G) {
#pragma unroll
  for (int i = 0; i < N * G; ++i) s[i] = 0.0f;
  for (int e = 0; e < E16; ++e) {
#pragma unroll
    for (int g = 0; g < G; ++g) {
      const float16 k = load_kv16(keys + ((long)g * E16 + e) * 16);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        s[n * G + g] = fma((float16)(q[min(n, rows - 1) * ld_q + e]), k, s[n * G + g]);
      }
    }
  }
}

// acc[n * G + g] = sum over positions [lo, hi] of p[n][position] * values[position, 16 g ...]
INLINE void weighted_values(float16* acc, const float* p, GLOBAL KV* values, const int lo,
                            const int hi, const int N, const int G) {
#pragma unroll
  for (int i = 0; i < N * G; ++i) acc[i] = 0.0f;
  for (int j = lo; j <= hi; ++j) {
#pragma unroll
    for (int g = 0; g < G; ++g) {
      const float16 v = load_kv16(values + (long)j * E16 + g * 16);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        acc[n * G + g] = fma((float16)(p[n * BLOCK + j]), v, acc[n * G + g]);
      }
    }
  }
}

// Queries t0 ... t0 + n - 1 of one head, n <= N. N = 1 works on four vectors at once instead.
INLINE void attend_tile(__global float* o, const long ld_o, GLOBAL float* q, const long ld_q,
                        GLOBAL KV* keys, GLOBAL KV* values, const int first_position,
                        const int n, const int capacity, const int window, const float scale,
                        const int N) {
  float16 out[N_MAX * (E16 / 16)];
  float m[N_MAX], l[N_MAX], p[N_MAX * BLOCK];
  for (int i = 0; i < N * (E16 / 16); ++i) out[i] = 0.0f;
  for (int i = 0; i < N; ++i) {
    m[i] = -INFINITY;
    l[i] = 0.0f;
  }
  const int last_position = first_position + n - 1;
  const int oldest = window > 0 ? max(0, first_position - window + 1) : 0;
  const int lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int start = oldest / BLOCK * BLOCK; start <= last_position; start += BLOCK) {
    const int slot = start % capacity;
    float16 s[N_MAX * GROUPS];
    if (N == 1) {
      scores(s, q, ld_q, 1, keys + (long)slot * E16, 1, GROUPS);
    } else {
      for (int g = 0; g < GROUPS; ++g) {
        float16 one[N_MAX];
        scores(one, q, ld_q, n, keys + (long)(slot + g * 16) * E16, N, 1);
        for (int i = 0; i < N; ++i) s[i * GROUPS + g] = one[i];
      }
    }
    float block_m[N_MAX], block_l[N_MAX];
    for (int i = 0; i < N; ++i) {
      const int position = first_position + i;
      const int first = window > 0 ? position - window + 1 : 0;
      float16 top = -INFINITY;
      for (int g = 0; g < GROUPS; ++g) {
        const int16 at = start + g * 16 + vload16(0, lanes);
        float16 v = s[i * GROUPS + g] * scale;
#ifdef SOFT_CAP
        v = SOFT_CAP * tanh16(v / SOFT_CAP);
#endif
        s[i * GROUPS + g] = select((float16)(-INFINITY), v, at <= position && at >= first);
        top = fmax(top, s[i * GROUPS + g]);
      }
      block_m[i] = max16(top);
      float16 sum = 0.0f;
      for (int g = 0; g < GROUPS; ++g) {
        // A block without a visible position: all its weights are 0.
        const float16 w = block_m[i] == -INFINITY ? (float16)(0.0f)
                                                  : exp16(s[i * GROUPS + g] - block_m[i]);
        sum += w;
        vstore16(w, 0, p + i * BLOCK + g * 16);
      }
      block_l[i] = sum16(sum);
    }
    const int lo = max(oldest - start, 0), hi = min(last_position - start, BLOCK - 1);
    float from_old[N_MAX], from_block[N_MAX];
    for (int i = 0; i < N; ++i) {
      const float top = fmax(m[i], block_m[i]);
      from_old[i] = block_m[i] == -INFINITY ? 1.0f : exp1(m[i] - top);
      from_block[i] = block_m[i] == -INFINITY ? 0.0f : exp1(block_m[i] - top);
      l[i] = fma(block_l[i], from_block[i], l[i] * from_old[i]);
      m[i] = top;
    }
    int e = 0;
    if (N == 1) {
      for (; e + 4 <= E16 / 16; e += 4) {
        float16 acc[4];
        weighted_values(acc, p, values + (long)slot * E16 + e * 16, lo, hi, 1, 4);
        for (int g = 0; g < 4; ++g) {
          out[e + g] = fma(acc[g], (float16)(from_block[0]), out[e + g] * from_old[0]);
        }
      }
    }
    for (; e < E16 / 16; ++e) {
      float16 acc[N_MAX];
      weighted_values(acc, p, values + (long)slot * E16 + e * 16, lo, hi, N, 1);
      for (int i = 0; i < N; ++i) {
        const int at = i * (E16 / 16) + e;
        out[at] = fma(acc[i], (float16)(from_block[i]), out[at] * from_old[i]);
      }
    }
  }
  for (int i = 0; i < n; ++i) {
    for (int e = 0; e < HEAD_DIM; e += 16) {
      store_partial16(out[i * (E16 / 16) + e / 16] / l[i], o + i * ld_o + e, HEAD_DIM - e);
    }
  }
}

// Unit: a head and a tile of tokens (of 8, or of 1 where T = 1). Heads share keys in groups of H / K.
//   o [T, H * E] out    q [T, H * E16]
KERNEL void attend(__global float* o, GLOBAL float* q, GLOBAL uchar* keys, GLOBAL uchar* values,
                   GLOBAL int* step, const int T, const int H, const int K, const int capacity,
                   const int window, const float scale) {
  const int tile = T == 1 ? 1 : N_MAX;
  const int tiles = (T + tile - 1) / tile;
  for (int unit = PART; unit < tiles * H; unit += PARTS) {
    const int h = unit % H, t = unit / H * tile;
    const int kv = h / (H / K);
    __global float* out = o + ((long)t * H + h) * HEAD_DIM;
    GLOBAL float* query = q + ((long)t * H + h) * E16;
    GLOBAL KV* k = (GLOBAL KV*)keys + (long)kv * capacity * E16;
    GLOBAL KV* v = (GLOBAL KV*)values + (long)kv * capacity * E16;
    const int position = step[0] + t;
    if (T == 1) {
      attend_tile(out, 0, query, 0, k, v, position, 1, capacity, window, scale, 1);
    } else {
      attend_tile(out, (long)H * HEAD_DIM, query, (long)H * E16, k, v, position, min(tile, T - t),
                  capacity, window, scale, N_MAX);
    }
  }
}
