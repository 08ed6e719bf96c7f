// How keys and values lie in the cache of a layer. E = HEAD_DIM, E16 = E rounded up to 16. A page holds PAGE
// positions of one sequence, aligned to absolute positions; its number is found in the step (cl/step.cl).
//
//   keys   [pages, K, PAGE / 16, E16, 16]   sixteen positions side by side: scores need no sum across lanes
//   values [pages, K, PAGE, E16]
//
// Both are KV: float; half where KV_F16; where KV_Q8 signed bytes, and then those of each page and head are
// followed by their scales, half [KV_BLOCKS, PAGE], one for each position and KV_COLUMNS of its columns. They are
// rounded once, when they are stored. What is loaded is to be multiplied by its scale, 1 where there are none.
#define E16 ((HEAD_DIM + 15) / 16 * 16)
#define PAGE 64

#if defined(KV_Q8)
  #define KV char
  #define KV_COLUMNS 32
  #define KV_SCALE_BYTES 2
#elif defined(KV_F16)
  #define KV ushort
  #define KV_COLUMNS E16
  #define KV_SCALE_BYTES 0
#else
  #define KV float
  #define KV_COLUMNS E16
  #define KV_SCALE_BYTES 0
#endif
#define KV_BLOCKS ((E16 + KV_COLUMNS - 1) / KV_COLUMNS)
#define HEAD_PAGE (PAGE * (E16 + KV_BLOCKS * KV_SCALE_BYTES))  // KVs of a page and a head

// Where a page begins for a key-value head, in keys and in values.
INLINE long page_at(GLOBAL int* table, const int block, const int K, const int kv) {
  return ((long)table[block] * K + kv) * HEAD_PAGE;
}

INLINE float16 load_kv16(GLOBAL KV* p) {
#if defined(KV_Q8)
  return convert_float16(vload16(0, p));
#elif defined(KV_F16)
  return load_half16((GLOBAL uchar*)p);
#else
  return vload16(0, p);
#endif
}
INLINE float load_kv1(GLOBAL KV* p) {
#if defined(KV_F16)
  return vload_half(0, (GLOBAL half*)p);
#else
  return (float)*p;
#endif
}

// Scales of a block of columns, of sixteen slots of a page or of one. page: where it begins for the head.
INLINE float16 load_scales16(GLOBAL KV* page, const int block, const int slot) {
#if defined(KV_Q8)
  return load_half16((GLOBAL uchar*)page + PAGE * E16 + (block * PAGE + slot) * KV_SCALE_BYTES);
#else
  return 1.0f;
#endif
}
INLINE float load_scale1(GLOBAL KV* page, const int block, const int slot) {
#if defined(KV_Q8)
  return vload_half(block * PAGE + slot, (GLOBAL half*)(page + PAGE * E16));
#else
  return 1.0f;
#endif
}

#if defined(KV_Q8)
// 32 columns of which n >= 16 are there. The scale is their largest / 127, rounded up: no byte is beyond 127. A NaN
// or an infinity makes it NaN; where it is too large for a half it is infinite, and what is loaded is NaN again.
INLINE void round_columns(KV* kv, ushort* scale, const float* x, const int n) {
  const float16 a = vload16(0, x), b = n > 16 ? vload16(1, x) : (float16)(0.0f);
  const float largest = max16(fmax(fabs(a), fabs(b))), spoiled = sum16(fma(a, 0.0f, b * 0.0f));
  vstore_half_rtp(largest / 127.0f + spoiled, 0, (half*)scale);
  const float stored = vload_half(0, (const half*)scale), inv = stored > 0.0f ? 1.0f / stored : 0.0f;
  vstore16(convert_char16(nearest16(a * inv)), 0, kv);
  if (n > 16) vstore16(convert_char16(nearest16(b * inv)), 1, kv);
}
#endif

// A head's values x [E16] as they are stored, in kv [E16] or x itself, and their scales to the page's at `slot`.
INLINE const KV* to_kv(KV* kv, const float* x, __global KV* page, const int slot) {
#if defined(KV_Q8)
  __global ushort* scales = (__global ushort*)(page + PAGE * E16) + slot;
  for (int i = 0; i < KV_BLOCKS; ++i) {
    const int e = i * KV_COLUMNS;
    ushort scale;
    round_columns(kv + e, &scale, x + e, E16 - e);
    scales[i * PAGE] = scale;
  }
  return kv;
#elif defined(KV_F16)
  for (int e = 0; e < E16; e += 16) vstore16(half16_bits(vload16(0, x + e)), 0, kv + e);
  return kv;
#else
  return x;
#endif
}

INLINE void store_key(__global KV* page, const int slot, const float* x) {
  KV rounded[E16];
  const KV* kv = to_kv(rounded, x, page, slot);
  __global KV* key = page + (slot / 16) * E16 * 16 + slot % 16;
  for (int e = 0; e < E16; ++e) key[e * 16] = kv[e];
}

INLINE void store_value(__global KV* page, const int slot, const float* x) {
  KV rounded[E16];
  const KV* kv = to_kv(rounded, x, page, slot);
  for (int e = 0; e < E16; e += 16) vstore16(vload16(0, kv + e), 0, page + slot * E16 + e);
}
