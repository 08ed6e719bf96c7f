// Rotary embedding into the cache (cl/kv_cache.cl): Su et al. 2021, in the form where dimension i turns with
// i + half_R.

// x[0, 2 * half_R) in place.
INLINE void rotate(float* x, GLOBAL float* angles, const int half_R) {
  GLOBAL float* sines = angles + half_R;
  int i = 0;
  for (; i + 16 <= half_R; i += 16) {
    const float16 a = vload16(0, x + i), b = vload16(0, x + i + half_R);
    const float16 c = vload16(0, angles + i), s = vload16(0, sines + i);
    keep16(fma(a, c, -(b * s)), x + i);
    keep16(fma(b, c, a * s), x + i + half_R);
  }
  for (; i < half_R; ++i) {
    const float a = x[i], b = x[i + half_R];
    x[i] = fma(a, angles[i], -(b * sines[i]));
    x[i + half_R] = fma(b, angles[i], a * sines[i]);
  }
}

// One head of E values to x[0, E16), normed where `normed`, turned.
INLINE void load_head(float* x, GLOBAL float* from, GLOBAL float* norm_weight, GLOBAL float* angles,
                      const int half_R, const float eps, const int normed) {
  float16 sum = 0.0f;
  for (int e = 0; e < HEAD_DIM; e += 16) {
    const float16 v = load_partial16(from + e, HEAD_DIM - e);
    sum = fma(v, v, sum);
    keep16(v, x + e);
  }
  if (normed) {
    const float inv = 1.0f / sqrt(sum16(sum) / (float)HEAD_DIM + eps);
    for (int e = 0; e < HEAD_DIM; e += 16) {
      const float16 v = vload16(0, x + e) * inv;
      keep16(v * load_partial16(norm_weight + e, HEAD_DIM - e), x + e);
    }
  }
  rotate(x, angles, half_R);
}

// Unit: a head of queries, or of keys and their values, of a token.
//   q [T, H * E16] out    qkv [T, (H + 2K) * E]    angles [T, 2, half_R]
KERNEL void rope_append(__global float* q, __global uchar* keys, __global uchar* values,
                        GLOBAL float* qkv, GLOBAL float* angles, GLOBAL float* q_norm_weight,
                        GLOBAL float* k_norm_weight, GLOBAL int* step, const int T, const int H,
                        const int K, const int half_R, const int cache_group, const float eps,
                        const int normed) {
  float x[E16];
  const int last = SHARE_LAST(T * (H + K), PART, PARTS);
  for (int unit = SHARE_FIRST(T * (H + K), PART, PARTS); unit < last; ++unit) {
    const int t = unit / (H + K), h = unit % (H + K);
    GLOBAL float* from = qkv + ((long)t * (H + 2 * K) + h) * HEAD_DIM;
    GLOBAL float* turn = angles + (long)t * 2 * half_R;
    if (h < H) {
      load_head(x, from, q_norm_weight, turn, half_R, eps, normed);
      for (int e = 0; e < E16; e += 16) store16(vload16(0, x + e), q + ((long)t * H + h) * E16 + e);
      continue;
    }
    const int kv = h - H, position = step[STEP_POSITIONS(T) + t], slot = position % PAGE;
    const long at = page_at(step + step[STEP_BASES(T, cache_group) + t], position / PAGE, K, kv);
    load_head(x, from, k_norm_weight, turn, half_R, eps, normed);
    store_key((__global KV*)keys + at, slot, x);
    from += K * HEAD_DIM;
    for (int e = 0; e < HEAD_DIM; e += 16) keep16(load_partial16(from + e, HEAD_DIM - e), x + e);
    store_value((__global KV*)values + at, slot, x);
  }
}
