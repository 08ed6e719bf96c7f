// Four products of signed bytes added to a sum, exactly: acc + a0 b0 + a1 b1 + a2 b2 + a3 b3, bytes of a
// word, the first lowest. INT8_DOT names the instruction (src/device/int8_dot.h).
#define INT8_DOT_PLAIN 0
#define INT8_DOT_KHR 1  // cl_khr_integer_dot_product
#define INT8_DOT_PTX 2  // NVIDIA, from sm_61 on
#ifndef INT8_DOT
  #define INT8_DOT INT8_DOT_PLAIN
#endif

#if INT8_DOT == INT8_DOT_KHR
  #pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable
#endif

INLINE int int8_dot(const int a, const int b, const int acc) {
#if INT8_DOT == INT8_DOT_KHR
  return acc + dot_4x8packed_ss_int((uint)a, (uint)b);
#elif INT8_DOT == INT8_DOT_PTX
  int sum;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
  return sum;
#else
  const int4 products = convert_int4(as_char4(a)) * convert_int4(as_char4(b));
  return acc + ((products.x + products.y) + (products.z + products.w));
#endif
}
