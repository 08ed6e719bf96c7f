// Reads a buffer once, as fast as the device can: the limit that memory-bound kernels are measured against.
//
//   sums [items] out, so that the reads are needed    x [n] in, vectors of READ_WIDTH floats
//   n      vectors
//   chunk  vectors that one work-item reads in a row (CPU); 0: work-items take turns (GPU)
//
// Launch: CPU devices {items, 1} with items * chunk >= n; GPUs any {items, local}.
// Bytes moved: n * READ_WIDTH * 4.
#ifndef READ_WIDTH
#define READ_WIDTH 16  // 4 or 16
#endif
#if READ_WIDTH == 16
typedef float16 wide;
#else
typedef float4 wide;
#endif

// Not every prefetcher of a CPU is as quick as memory is by itself.
#if defined(__x86_64__) && defined(__clang__)
#define AHEAD 4096  // bytes
#define FETCH(p) __builtin_prefetch((const void*)((ulong)(p) + AHEAD))
#else
#define FETCH(p)
#endif

__kernel void read_bandwidth(__global wide* sums, __global const wide* x, const uint n,
                             const uint chunk) {
  const uint item = get_global_id(0);
  const uint begin = chunk > 0 ? item * chunk : item;
  const uint end = chunk > 0 ? min(begin + chunk, n) : n;
  const uint step = chunk > 0 ? 1 : get_global_size(0);
  wide a = (wide)(0.0f);
  wide b = a;
  wide c = a;
  wide d = a;
  uint i = begin;
  for (; i + 3 * step < end; i += 4 * step) {
    if (chunk > 0) {
      FETCH(x + i);
      FETCH(x + i + 1);
      FETCH(x + i + 2);
      FETCH(x + i + 3);
    }
    a += x[i];
    b += x[i + step];
    c += x[i + 2 * step];
    d += x[i + 3 * step];
  }
  for (; i < end; i += step) a += x[i];
  sums[item] = a + b + c + d;
}
