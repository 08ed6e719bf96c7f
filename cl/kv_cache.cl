// How keys and values lie in the cache of a layer. E = HEAD_DIM, E16 = E rounded up to 16.
//
//   keys   [K, capacity / 16, E16, 16]   sixteen positions side by side: scores need no sum across lanes
//   values [K, capacity, E16]            position p lives at slot p % capacity
//
// Both are float, or half where KV_F16: rounded once, when they are stored. Arithmetic is float either way.
#define E16 ((HEAD_DIM + 15) / 16 * 16)

#ifdef KV_F16
#define KV ushort
INLINE float16 load_kv16(GLOBAL KV* p) { return load_half16((GLOBAL uchar*)p); }
INLINE ushort16 to_kv16(const float16 x) { return half16_bits(x); }
#else
#define KV float
INLINE float16 load_kv16(GLOBAL KV* p) { return vload16(0, p); }
INLINE float16 to_kv16(const float16 x) { return x; }
#endif
