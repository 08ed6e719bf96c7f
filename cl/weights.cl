// Weight matrices as they lie on the device: sixteen rows interleaved, so that one vector holds the
// same column of sixteen rows and no kernel ever adds across lanes. A block-quantised type keeps its
// codes and scales exactly as the checkpoint has them; only their order differs (src/tensor/packed.cc
// makes it, rows and columns padded with zeros).
//
//   matrix     row blocks of 16 rows, ROW_BLOCK_BYTES(K) apart
//   row block  super-blocks of SUPER_UNITS units, SUPER_BYTES apart: HEADER_BYTES, then the units
//   unit       32 columns, UNIT_BYTES: scales, then codes, planes of 16 bytes (one a row)
//
// One of these is defined: TYPE_F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K. It provides
//   unit_scales(super, u, half, &d, &m)  of sixteen rows; half: columns 0-15 or 16-31 of the unit
//   unit_pair(unit, i, &q0, &q1)         codes of columns 2i and 2i + 1 of the unit
// and a weight is fma(q, d, m), or q * d for a type without minimum, or q for a plain type.
#define UNIT_COLUMNS 32

#if defined(TYPE_F32)
  #define UNIT_BYTES 2048
#elif defined(TYPE_F16) || defined(TYPE_BF16)
  #define UNIT_BYTES 1024
#elif defined(TYPE_Q4_0)
  #define UNIT_BYTES (32 + 256)  // d f16[16] | nibbles
  #define CODE_BYTES 32          // where the codes begin
  #define CODE_BIAS 8
  #define CODE_BITS 4
#elif defined(TYPE_Q4_1)
  #define UNIT_BYTES (64 + 256)  // d f16[16] | m f16[16] | nibbles
  #define CODE_BYTES 64
  #define CODE_BIAS 0
  #define CODE_BITS 4
  #define HAS_MIN
#elif defined(TYPE_Q5_0)
  #define UNIT_BYTES (32 + 256 + 64)  // d | nibbles | fifth bits, eight columns a byte
  #define CODE_BYTES 32
  #define CODE_BIAS 16
  #define CODE_BITS 5
#elif defined(TYPE_Q5_1)
  #define UNIT_BYTES (64 + 256 + 64)
  #define CODE_BYTES 64
  #define CODE_BIAS 0
  #define CODE_BITS 5
  #define HAS_MIN
#elif defined(TYPE_Q8_0)
  #define UNIT_BYTES (32 + 512)  // d | int8
  #define CODE_BYTES 32
#elif defined(TYPE_Q4_K)
  #define HEADER_BYTES 64             // d f16[16] | dmin f16[16]
  #define SUPER_UNITS 8
  #define UNIT_BYTES (16 + 16 + 256)  // scale u8[16] | min u8[16] | nibbles
  #define CODE_BYTES 32
  #define CODE_BIAS 0
  #define CODE_BITS 4
  #define HAS_MIN
#elif defined(TYPE_Q5_K)
  #define HEADER_BYTES 64
  #define SUPER_UNITS 8
  #define UNIT_BYTES (16 + 16 + 256 + 64)
  #define CODE_BYTES 32
  #define CODE_BIAS 0
  #define CODE_BITS 5
  #define HAS_MIN
#elif defined(TYPE_Q6_K)
  #define HEADER_BYTES 32                  // d f16[16]
  #define SUPER_UNITS 8
  #define UNIT_BYTES (16 + 16 + 256 + 128) // scale i8[16] of columns 0-15 | of 16-31 | nibbles | upper two bits, four columns a byte
  #define CODE_BYTES 32
  #define CODE_BIAS 32
  #define CODE_BITS 6
  #define SCALES_A_UNIT 2
#endif

#ifndef HEADER_BYTES
  #define HEADER_BYTES 0
  #define SUPER_UNITS 1
#endif
#ifndef SCALES_A_UNIT
  #define SCALES_A_UNIT 1
#endif
#define SUPER_COLUMNS (SUPER_UNITS * UNIT_COLUMNS)
#define SUPER_BYTES (HEADER_BYTES + SUPER_UNITS * UNIT_BYTES)
#define SUPERS(K) (((K) + SUPER_COLUMNS - 1) / SUPER_COLUMNS)
#define ROW_BLOCK_BYTES(K) ((long)SUPERS(K) * SUPER_BYTES)

INLINE void unit_scales(GLOBAL uchar* super, const int u, const int half_unit, float16* d,
                        float16* m) {
  GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
#if defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
  *d = load_half16(super) * convert_float16(vload16(0, unit));
  *m = -(load_half16(super + 32) * convert_float16(vload16(1, unit)));
#elif defined(TYPE_Q6_K)
  *d = load_half16(super) * convert_float16(vload16(half_unit, (GLOBAL char*)unit));
#elif defined(CODE_BYTES)
  *d = load_half16(unit);
  #ifdef HAS_MIN
  *m = load_half16(unit + 32);
  #endif
#endif
}

// Sixteen nibbles (the low four bits of each lane; `upper` bits above them are added) to their values.
INLINE float16 nibbles_to_float(const int16 codes) {
#ifdef CODE_BIAS
  #if defined(__AVX512F__) && !defined(PORTABLE) && CODE_BITS == 4
  // A table look-up uses the low four bits of each lane by itself: no mask, no conversion.
  typedef int int16_gnu __attribute__((__vector_size__(64)));
  typedef float float16_gnu __attribute__((__vector_size__(64)));
  const float16 table = (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) - CODE_BIAS;
  return __builtin_astype(__builtin_ia32_permvarsf512(__builtin_astype(table, float16_gnu),
                                                      __builtin_astype(codes, int16_gnu)),
                          float16);
  #else
  return convert_float16(codes - CODE_BIAS);
  #endif
#else
  return convert_float16(codes);
#endif
}

INLINE void unit_pair(GLOBAL uchar* unit, const int i, float16* q0, float16* q1) {
#if defined(TYPE_F32)
  *q0 = vload16(2 * i, (GLOBAL float*)unit);
  *q1 = vload16(2 * i + 1, (GLOBAL float*)unit);
#elif defined(TYPE_F16)
  *q0 = load_half16(unit + i * 64);
  *q1 = load_half16(unit + i * 64 + 32);
#elif defined(TYPE_BF16)
  *q0 = as_float16(convert_uint16(vload16(2 * i, (GLOBAL ushort*)unit)) << 16);
  *q1 = as_float16(convert_uint16(vload16(2 * i + 1, (GLOBAL ushort*)unit)) << 16);
#elif defined(TYPE_Q8_0)
  *q0 = convert_float16(vload16(2 * i, (GLOBAL char*)(unit + CODE_BYTES)));
  *q1 = convert_float16(vload16(2 * i + 1, (GLOBAL char*)(unit + CODE_BYTES)));
#else
  GLOBAL uchar* codes = unit + CODE_BYTES;
  const int16 both = convert_int16(vload16(i, codes));
  #if CODE_BITS == 4
    #if defined(__AVX512F__) && !defined(PORTABLE)
  *q0 = nibbles_to_float(both);
    #else
  *q0 = nibbles_to_float(both & 15);
    #endif
  *q1 = nibbles_to_float(both >> 4);
  #elif CODE_BITS == 5
  const int16 bits = convert_int16(vload16(i / 4, codes + 256)) >> (2 * (i % 4));
  *q0 = nibbles_to_float((both & 15) | ((bits & 1) << 4));
  *q1 = nibbles_to_float((both >> 4) | ((bits & 2) << 3));
  #else
  const int16 bits = convert_int16(vload16(i / 2, codes + 256)) >> (4 * (i % 2));
  *q0 = nibbles_to_float((both & 15) | ((bits & 3) << 4));
  *q1 = nibbles_to_float((both >> 4) | ((bits & 12) << 2));
  #endif
#endif
}

INLINE float16 to_weight(const float16 q, const float16 d, const float16 m) {
#if !defined(CODE_BYTES)
  return q;
#elif defined(HAS_MIN)
  return fma(q, d, m);
#else
  return q * d;
#endif
}

// One weight by itself, for a gather of single rows and for devices without wide vectors.
INLINE float weight_at(GLOBAL uchar* matrix, const int K, const int row, const int k) {
  const int lane = row % 16;
  GLOBAL uchar* super =
      matrix + (long)(row / 16) * ROW_BLOCK_BYTES(K) + (long)(k / SUPER_COLUMNS) * SUPER_BYTES;
  const int u = (k % SUPER_COLUMNS) / UNIT_COLUMNS, c = k % UNIT_COLUMNS;
  GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
#if defined(TYPE_F32)
  return ((GLOBAL float*)unit)[c * 16 + lane];
#elif defined(TYPE_F16)
  return vload_half(c * 16 + lane, (GLOBAL half*)unit);
#elif defined(TYPE_BF16)
  return as_float((uint)((GLOBAL ushort*)unit)[c * 16 + lane] << 16);
#else
  #if defined(TYPE_Q8_0)
  const int q = ((GLOBAL char*)(unit + CODE_BYTES))[c * 16 + lane];
  #else
  GLOBAL uchar* codes = unit + CODE_BYTES;
  int q = (codes[(c / 2) * 16 + lane] >> (4 * (c % 2))) & 15;
    #if CODE_BITS == 5
  q |= ((codes[256 + (c / 8) * 16 + lane] >> (c % 8)) & 1) << 4;
    #elif CODE_BITS == 6
  q |= ((codes[256 + (c / 4) * 16 + lane] >> (2 * (c % 4))) & 3) << 4;
    #endif
  q -= CODE_BIAS;
  #endif
  #if defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
  const float d = vload_half(lane, (GLOBAL half*)super) * unit[lane];
  const float m = -(vload_half(lane + 16, (GLOBAL half*)super) * unit[16 + lane]);
  #elif defined(TYPE_Q6_K)
  const float d = vload_half(lane, (GLOBAL half*)super) * ((GLOBAL char*)unit)[(c / 16) * 16 + lane];
  #else
  const float d = vload_half(lane, (GLOBAL half*)unit);
    #ifdef HAS_MIN
  const float m = vload_half(lane + 16, (GLOBAL half*)unit);
    #endif
  #endif
  #ifdef HAS_MIN
  return fma((float)q, d, m);
  #else
  return (float)q * d;
  #endif
#endif
}
