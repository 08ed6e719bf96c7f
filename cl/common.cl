// Prepended to every program. Arithmetic is float32 throughout; sums have one order, spelled out with
// fma, so that a row gives the same bits whatever the kernel, the tile or the number of work-items.
//
// A kernel's work is a number of independent units; work-item `part` of `parts` takes its share, so the
// same body runs as a few wide work-items on a CPU device and as many narrow ones elsewhere.
#pragma OPENCL FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
// Its body is compiled once; arrays that it is given lie in memory.
#define NOINLINE static __attribute__((noinline))
#define GLOBAL const __global

// GROUP: work-items a group. Known when it is built, PoCL compiles a kernel once and for this size only.
// The hint: our work-items use vectors already. Without it Intel's compiler for CPUs tries to run several
// work-items in one vector, which takes it seven times as long and is then of no use.
#define KERNEL \
  __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1), vec_type_hint(float16)))

#define PART ((int)get_global_id(0))
#define PARTS ((int)get_global_size(0))

// The contiguous share [SHARE_FIRST, SHARE_LAST) of n units.
#define SHARE_FIRST(n, part, parts) ((int)((long)(n) * (part) / (parts)))
#define SHARE_LAST(n, part, parts) ((int)((long)(n) * ((part) + 1) / (parts)))

// Tells the cache what will be read, be it there or not.
#define CACHE_LINE 64
#if defined(__x86_64__) && defined(__clang__)
  #define PREFETCH(p) __builtin_prefetch((const void*)(ulong)(p))
#else
  #define PREFETCH(p)
#endif

// One load and one store; what vload16 and vstore16 become in some compilers is four, of parts.
INLINE float16 load16(GLOBAL float* p) {
#ifdef __clang__
  typedef float float16_here __attribute__((__ext_vector_type__(16), __aligned__(4)));
  return *(GLOBAL float16_here*)p;
#else
  return vload16(0, p);
#endif
}
INLINE void store16(const float16 v, __global float* p) {
#ifdef __clang__
  typedef float float16_here __attribute__((__ext_vector_type__(16), __aligned__(4)));
  *(__global float16_here*)p = v;
#else
  vstore16(v, 0, p);
#endif
}

// Into an array of the work-item's own: what is loaded whole must have been stored whole, or the load waits.
INLINE void keep16(const float16 v, float* p) {
#ifdef __clang__
  typedef float float16_here __attribute__((__ext_vector_type__(16), __aligned__(4)));
  *(float16_here*)p = v;
#else
  vstore16(v, 0, p);
#endif
}

// To the nearest whole number, ties to even; |x| < 2^22.
INLINE float16 nearest16(const float16 x) { return (x + 12582912.0f) - 12582912.0f; }

// Sixteen lanes to one value, in a fixed tree.
INLINE float sum16(const float16 v) {
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
  const float2 c = b.lo + b.hi;
  return c.x + c.y;
}

INLINE float max16(const float16 v) {
  const float8 a = fmax(v.lo, v.hi);
  const float4 b = fmax(a.lo, a.hi);
  const float2 c = fmax(b.lo, b.hi);
  return fmax(c.x, c.y);
}

INLINE float16 larger(const float16 a, const float16 b) { return a > b ? a : b; }

// One step of the tree of sum16 or max16 for two vectors at once: the first `half_part` lanes of each part of
// a and b with the other half of that part.
#define FOLD(name, OP)                                                                              \
  INLINE float16 name(const float16 a, const float16 b, const int half_part) {                      \
    if (half_part == 8) return OP((float16)(a.lo, b.lo), (float16)(a.hi, b.hi));                    \
    if (half_part == 4) {                                                                           \
      return OP((float16)(a.s0123, a.s89ab, b.s0123, b.s89ab),                                      \
                (float16)(a.s4567, a.scdef, b.s4567, b.scdef));                                     \
    }                                                                                               \
    if (half_part == 2) {                                                                           \
      return OP((float16)(a.s01, a.s45, a.s89, a.scd, b.s01, b.s45, b.s89, b.scd),                  \
                (float16)(a.s23, a.s67, a.sab, a.sef, b.s23, b.s67, b.sab, b.sef));                 \
    }                                                                                               \
    return OP((float16)(a.even, b.even), (float16)(a.odd, b.odd));                                  \
  }
#define SUM_OF(a, b) ((a) + (b))
FOLD(fold_sums, SUM_OF)
FOLD(fold_largest, larger)

// lane n of the result: sum16(v[n]) or max16(v[n]), n < N <= 16.
#define OF_LANES(name, fold)                                                                        \
  INLINE float16 name(const float16* v, const int N) {                                              \
    float16 a[8];                                                                                   \
    _Pragma("unroll") for (int i = 0; i < (N > 8 ? 8 : 4); ++i) {                                   \
      a[i] = fold(v[min(2 * i, N - 1)], v[min(2 * i + 1, N - 1)], 8);                               \
    }                                                                                               \
    const float16 b = fold(fold(a[0], a[1], 4), fold(a[2], a[3], 4), 2);                            \
    if (N <= 8) return fold(b, b, 1);                                                               \
    return fold(b, fold(fold(a[4], a[5], 4), fold(a[6], a[7], 4), 2), 1);                           \
  }
OF_LANES(sums_of_lanes, fold_sums)
OF_LANES(largest_of_lanes, fold_largest)

// x[0, n), n <= 16, with zeros in the other lanes.
INLINE float16 load_partial16(GLOBAL float* x, const int n) {
  if (n >= 16) return load16(x);
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = i < n ? x[i] : 0.0f;
  return vload16(0, lanes);
}

INLINE void store_partial16(const float16 v, __global float* y, const int n) {
  if (n >= 16) {
    store16(v, y);
    return;
  }
  float lanes[16];
  vstore16(v, 0, lanes);
  for (int i = 0; i < n; ++i) y[i] = lanes[i];
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

// Sixteen floats as bits of halves, rounded to nearest even.
INLINE ushort16 half16_bits(const float16 v) {
#if defined(__AVX512F__) && !defined(PORTABLE)
  typedef short short16_gnu __attribute__((__vector_size__(32)));
  typedef float float16_gnu __attribute__((__vector_size__(64)));
  const short16_gnu zero = __builtin_astype((ushort16)(0), short16_gnu);
  return __builtin_astype(
      __builtin_ia32_vcvtps2ph512_mask(__builtin_astype(v, float16_gnu), 0, zero, (short)-1),
      ushort16);
#else
  ushort bits[16];
  vstore_half16_rte(v, 0, (half*)bits);
  return vload16(0, bits);
#endif
}

// exp(x) to 2 ulp for |x| < 88, the same bits on every device: 2^n * exp(r), |r| <= ln(2) / 2 in two parts (Cody
// & Waite), exp(r) by the polynomial of Cephes' expf. n + 127 comes out in the lowest bits of a large float.
INLINE float16 exp_in_range16(const float16 x) {
  const float large = 12582912.0f + 127.0f;
  const float16 shifted = fma(x, (float16)(1.44269504088896341f), (float16)(large));
  const float16 n = shifted - large;
  float16 r = fma(n, (float16)(-0.693359375f), x);
  r = fma(n, (float16)(2.12194440e-4f), r);
  float16 p = (float16)(1.9875691500e-4f);
  p = fma(p, r, (float16)(1.3981999507e-3f));
  p = fma(p, r, (float16)(8.3334519073e-3f));
  p = fma(p, r, (float16)(4.1665795894e-2f));
  p = fma(p, r, (float16)(1.6666665459e-1f));
  p = fma(p, r, (float16)(5.0000001201e-1f));
  p = fma(p, r * r, r) + 1.0f;
  return p * as_float16(as_int16(shifted) << 23);
}

// The same where x <= 0: 0 below -87.3, NaN stays.
INLINE float16 exp_of_negative16(const float16 x) {
  return select(exp_in_range16(x), (float16)(0.0f), x < -87.33f);
}

// And of any x: +inf above 88.72, and from 88.37 to there held at exp(88.37), the last that 2^n has room for.
INLINE float16 exp16(const float16 x) {
  float16 y = exp_in_range16(clamp(x, -87.33f, 88.37f));
  y = select(y, (float16)(0.0f), x < -87.33f);
  y = select(y, (float16)(INFINITY), x > 88.72f);
  return select(y, x, isnan(x));
}

INLINE float exp1(const float x) { return exp16((float16)(x)).s0; }

// tanh(x) by Cephes' tanhf, |x| < 0.625: a polynomial, where the form with exp cancels.
INLINE float16 tanh_of_small16(const float16 x) {
  const float16 z = x * x;
  float16 p = (float16)(-5.70498872745e-3f);
  p = fma(p, z, (float16)(2.06390887954e-2f));
  p = fma(p, z, (float16)(-5.37397155531e-2f));
  p = fma(p, z, (float16)(1.33314422036e-1f));
  p = fma(p, z, (float16)(-3.33332819422e-1f));
  return fma(p * z, x, x);
}

INLINE float16 tanh16(const float16 x) {
  const float16 large = copysign(1.0f - 2.0f / (exp16(2.0f * fabs(x)) + 1.0f), x);
  return select(large, tanh_of_small16(x), fabs(x) < 0.625f);
}
