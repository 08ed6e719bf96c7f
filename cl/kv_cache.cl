// How keys and values lie in the cache of a layer. E = HEAD_DIM, E16 = E rounded up to 16. A page holds PAGE
// positions of one sequence, aligned to absolute positions; its number is found in the step (cl/step.cl).
//
//   keys   [pages, K, PAGE / 16, E16, 16]   sixteen positions side by side: scores need no sum across lanes
//   values [pages, K, PAGE, E16]
//
// Both are float, or half where KV_F16: rounded once, when they are stored. Arithmetic is float either way.
#define E16 ((HEAD_DIM + 15) / 16 * 16)
#define PAGE 64

#ifdef KV_F16
#define KV ushort
INLINE float16 load_kv16(GLOBAL KV* p) { return load_half16((GLOBAL uchar*)p); }
INLINE ushort16 to_kv16(const float16 x) { return half16_bits(x); }
#else
#define KV float
INLINE float16 load_kv16(GLOBAL KV* p) { return vload16(0, p); }
INLINE float16 to_kv16(const float16 x) { return x; }
#endif

// Where a page begins for a key-value head, in keys and in values.
INLINE long page_at(GLOBAL int* table, const int block, const int K, const int kv) {
  return ((long)table[block] * K + kv) * PAGE * E16;
}
