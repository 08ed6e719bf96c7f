// Prepended to every program. Arithmetic is float32 throughout; sums have one order, spelled out with
// fma, so that a row gives the same bits whatever the kernel, the tile or the number of work-items.
#pragma OPENCL FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define GLOBAL const __global

// The share [first, last) of n units that falls to work-item `part` of `parts`.
#define SHARE_FIRST(n, part, parts) ((int)((long)(n) * (part) / (parts)))
#define SHARE_LAST(n, part, parts) ((int)((long)(n) * ((part) + 1) / (parts)))

// Sixteen lanes to one value, in a fixed tree.
INLINE float sum16(float16 v) {
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
  const float2 c = b.lo + b.hi;
  return c.x + c.y;
}

INLINE float max16(float16 v) {
  const float8 a = fmax(v.lo, v.hi);
  const float4 b = fmax(a.lo, a.hi);
  const float2 c = fmax(b.lo, b.hi);
  return fmax(c.x, c.y);
}

// Half-precision values are storage only: sixteen of them to float, exactly.
INLINE float16 load_half16(GLOBAL uchar* p) {
#if defined(__AVX512F__) && !defined(PORTABLE)
  typedef short short16_gnu __attribute__((__vector_size__(32)));
  typedef float float16_gnu __attribute__((__vector_size__(64)));
  const ushort16 bits = vload16(0, (GLOBAL ushort*)p);
  const float16_gnu zero = __builtin_astype((float16)(0.0f), float16_gnu);
  return __builtin_astype(
      __builtin_ia32_vcvtph2ps512_mask(__builtin_astype(bits, short16_gnu), zero, (short)-1, 4),
      float16);
#else
  return vload_half16(0, (GLOBAL half*)p);
#endif
}
