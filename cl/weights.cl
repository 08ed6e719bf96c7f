// Weight matrices as they lie on the device: sixteen rows interleaved, so that one vector holds the
// same column of sixteen rows and no kernel ever adds across lanes. A block-quantised type keeps its
// codes and scales exactly as the checkpoint has them; only their order differs (src/tensor/packed.cc
// makes it, rows and columns padded with zeros).
//
//   matrix     row blocks of 16 rows, ROW_BLOCK_BYTES(K) apart
//   row block  super-blocks of SUPER_UNITS units, SUPER_BYTES apart: HEADER_BYTES, then the units
//   unit       32 columns, UNIT_BYTES: scales, then codes, planes of 16 bytes or 16 words (one a row)
//
// One of these is defined: TYPE_F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL
// IQ4_XS MXFP4, or TYPE_AFFINE (MLX) with AFFINE_BITS, AFFINE_GROUP and one of AFFINE_F16 BF16 F32, the
// type of its scales. It provides
//   unit_scales(super, u, half, &d, &m)  of sixteen rows; half: columns 0-15 or 16-31 of the unit
//   unit_pair(unit, i, &q0, &q1)         codes of columns 2i and 2i + 1 of the unit
// and a weight is q d + m, or q d for a type without minimum, or q for a plain type.
//
// Codes of 2 and 8 bits: four columns or one a byte, the first in the lowest bits.
// Codes of 4 bits: words of 32 bits a row, 8 columns each: the lower halves of the four bytes are the
// first four columns, the upper halves the others. A load that begins at byte b so has column b in the
// lowest bits of each lane; it ends up to three bytes after the plane, and so may the matrix.
// Codes of 3, 5 and 6 bits: words of 32 bits a row, 10, 6 or 5 columns each, and two bits left over in each:
// these are the last two columns. So no code lies in two parts, but for those of columns 30 and 31.
#define UNIT_COLUMNS 32
#define PLAIN_CODES(bits) ((bits) * 64)  // bytes of a unit's codes
// What the codes of a type with a table mean.
#define IQ4_VALUES -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
#define E2M1_VALUES 0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6

#if defined(TYPE_F32)
  #define UNIT_BYTES 2048
#elif defined(TYPE_F16) || defined(TYPE_BF16)
  #define UNIT_BYTES 1024
#elif defined(TYPE_Q4_0)
  #define SCALE_BYTES 32  // of a unit, before its codes: d f16[16]
  #define CODE_BIAS 8
  #define CODE_BITS 4
#elif defined(TYPE_Q4_1)
  #define SCALE_BYTES 64  // d f16[16] | m f16[16]
  #define CODE_BITS 4
  #define HAS_MIN
#elif defined(TYPE_Q5_0)
  #define SCALE_BYTES 32
  #define CODE_BIAS 16
  #define CODE_BITS 5
#elif defined(TYPE_Q5_1)
  #define SCALE_BYTES 64
  #define CODE_BITS 5
  #define HAS_MIN
#elif defined(TYPE_Q8_0)
  #define SCALE_BYTES 32
  #define CODE_BITS 8
  #define SIGNED_CODES
#elif defined(TYPE_Q2_K)
  #define HEADER_BYTES 64  // d f16[16] | dmin f16[16]
  #define SUPER_UNITS 8
  #define SCALE_BYTES 32   // scale and min nibbles u8[16] of columns 0-15 | of 16-31
  #define CODE_BITS 2
  #define SCALES_A_UNIT 2
  #define HAS_MIN
#elif defined(TYPE_Q3_K)
  #define HEADER_BYTES 32  // d f16[16]
  #define SUPER_UNITS 8
  #define SCALE_BYTES 32   // scale i8[16] of columns 0-15 | of 16-31
  #define CODE_BIAS 4
  #define CODE_BITS 3
  #define SCALES_A_UNIT 2
#elif defined(TYPE_Q4_K)
  #define HEADER_BYTES 64  // d f16[16] | dmin f16[16]
  #define SUPER_UNITS 8
  #define SCALE_BYTES 32   // scale u8[16] | min u8[16]
  #define CODE_BITS 4
  #define HAS_MIN
#elif defined(TYPE_Q5_K)
  #define HEADER_BYTES 64
  #define SUPER_UNITS 8
  #define SCALE_BYTES 32
  #define CODE_BITS 5
  #define HAS_MIN
#elif defined(TYPE_Q6_K)
  #define HEADER_BYTES 32  // d f16[16]
  #define SUPER_UNITS 8
  #define SCALE_BYTES 32   // scale i8[16] of columns 0-15 | of 16-31
  #define CODE_BITS 6      // less 32, in two's complement
  #define SIGNED_CODES
  #define SCALES_A_UNIT 2
#elif defined(TYPE_IQ4_NL)
  #define SCALE_BYTES 32
  #define CODE_VALUES IQ4_VALUES
  #define CODE_BITS 4
#elif defined(TYPE_IQ4_XS)
  #define HEADER_BYTES 32  // d f16[16]
  #define SUPER_UNITS 8
  #define SCALE_BYTES 16   // scale i8[16]
  #define CODE_VALUES IQ4_VALUES
  #define CODE_BITS 4
#elif defined(TYPE_MXFP4)
  #define SCALE_BYTES 16   // exponent u8[16], E8M0
  #define CODE_VALUES E2M1_VALUES
  #define CODE_BITS 4
#elif defined(TYPE_AFFINE)
  #ifdef AFFINE_F32
    #define AFFINE_SCALE_BYTES 4
  #else
    #define AFFINE_SCALE_BYTES 2
  #endif
  #define HEADER_BYTES (32 * AFFINE_SCALE_BYTES)  // of a group: scale[16] | bias[16]
  #define SUPER_UNITS (AFFINE_GROUP / UNIT_COLUMNS)
  #define SCALE_BYTES 0
  #define CODE_BITS AFFINE_BITS
  #define HAS_MIN
#endif

#ifndef HEADER_BYTES
  #define HEADER_BYTES 0
  #define SUPER_UNITS 1
#endif
#ifndef SCALES_A_UNIT
  #define SCALES_A_UNIT 1
#endif
#ifndef CODE_BIAS
  #define CODE_BIAS 0
#endif
#ifdef TYPE_MXFP4
  #define CODE_FACTOR 2  // by which values are whole numbers
#else
  #define CODE_FACTOR 1
#endif
#if defined(CODE_BITS) && (CODE_BITS == 3 || CODE_BITS == 5 || CODE_BITS == 6)
  #define CODE_WORDS  // of 32 bits
  #define CODES_A_WORD (32 / CODE_BITS)
#endif
#ifdef CODE_BITS
  #define UNIT_BYTES (SCALE_BYTES + PLAIN_CODES(CODE_BITS))
#endif
#define SUPER_COLUMNS (SUPER_UNITS * UNIT_COLUMNS)
#define SCALE_COLUMNS (UNIT_COLUMNS / SCALES_A_UNIT)  // columns that share their scales
#define SUPER_BYTES (HEADER_BYTES + SUPER_UNITS * UNIT_BYTES)
#define SUPERS(K) (((K) + SUPER_COLUMNS - 1) / SUPER_COLUMNS)
#define ROW_BLOCK_BYTES(K) ((long)SUPERS(K) * SUPER_BYTES)

INLINE float16 load_bfloat16(GLOBAL uchar* p) {
  return as_float16(convert_uint16(vload16(0, (GLOBAL ushort*)p)) << 16);
}

#if defined(AFFINE_F32)
  #define load_affine16(p) vload16(0, (GLOBAL float*)(p))
#elif defined(AFFINE_BF16)
  #define load_affine16 load_bfloat16
#else
  #define load_affine16 load_half16
#endif

INLINE void unit_scales(GLOBAL uchar* super, const int u, const int half_unit, float16* d,
                        float16* m) {
  GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
#if defined(TYPE_AFFINE)
  *d = load_affine16(super);
  *m = load_affine16(super + 16 * AFFINE_SCALE_BYTES);
#elif defined(TYPE_Q2_K)
  const uchar16 both = vload16(half_unit, unit);
  *d = load_half16(super) * convert_float16(both & (uchar)15);
  *m = -(load_half16(super + 32) * convert_float16(both >> (uchar)4));
#elif defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
  *d = load_half16(super) * convert_float16(vload16(0, unit));
  *m = -(load_half16(super + 32) * convert_float16(vload16(1, unit)));
#elif defined(TYPE_Q3_K) || defined(TYPE_Q6_K) || defined(TYPE_IQ4_XS)
  *d = load_half16(super) * convert_float16(vload16(half_unit, (GLOBAL char*)unit));
#elif defined(TYPE_MXFP4)
  const uint16 e = convert_uint16(vload16(0, unit));
  *d = as_float16(select(e << 23, (uint16)(0x00400000), e == 0));  // 2^(e - 127)
#elif defined(CODE_BITS)
  *d = load_half16(unit);
  #ifdef HAS_MIN
  *m = load_half16(unit + 32);
  #endif
#endif
}

#ifdef CODE_BITS
  #if CODE_BITS == 2
    #define REPEATED_CODES 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3
  #elif CODE_BITS == 3
    #define REPEATED_CODES 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7
  #else
    #define REPEATED_CODES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  #endif

// Sixteen words, less their lowest `byte` bytes; whatever then stands in the upper bits.
INLINE int16 load_word16(GLOBAL uchar* words, const int byte) {
  #if defined(__AVX512F__) && !defined(PORTABLE)
  typedef int int16_here __attribute__((__ext_vector_type__(16), __aligned__(1)));
  return *(GLOBAL int16_here*)(words + byte);
  #else
  return vload16(0, (GLOBAL int*)words) >> (8 * byte);
  #endif
}

// The values of sixteen codes of up to five bits; bits above them are ignored.
INLINE float16 codes_to_float(const int16 codes) {
  #ifdef CODE_VALUES
  const float16 table = (float16)(CODE_VALUES);
  #else
  const float16 table = (float16)(REPEATED_CODES) - CODE_BIAS;
  #endif
  #if defined(__AVX512F__) && !defined(PORTABLE)
  // A table look-up uses the low four or five bits of each lane by itself: no mask, no conversion.
  typedef int int16_gnu __attribute__((__vector_size__(64)));
  typedef float float16_gnu __attribute__((__vector_size__(64)));
    #if CODE_BITS == 5
  return __builtin_astype(
      __builtin_ia32_vpermi2varps512(__builtin_astype(table, float16_gnu),
                                     __builtin_astype(codes, int16_gnu),
                                     __builtin_astype(table + 16.0f, float16_gnu)),
      float16);
    #else
  return __builtin_astype(__builtin_ia32_permvarsf512(__builtin_astype(table, float16_gnu),
                                                      __builtin_astype(codes, int16_gnu)),
                          float16);
    #endif
  #elif defined(CODE_VALUES)
  return shuffle(table, as_uint16(codes & 15));
  #else
  return convert_float16((codes & ((1 << CODE_BITS) - 1)) - CODE_BIAS);
  #endif
}
#endif

#ifdef CODE_WORDS
// Column c of a unit: its code and, above it, other bits.
INLINE int16 word_code(GLOBAL uchar* codes, const int c) {
  GLOBAL int* words = (GLOBAL int*)codes;
  if (c < 30) return vload16(c / CODES_A_WORD, words) >> (c % CODES_A_WORD * CODE_BITS);
  const int first = (c - 30) * (CODE_BITS / 2);
  int16 code = 0;
  #pragma unroll
  for (int k = 0; k < CODE_BITS / 2; ++k) {
    code |= as_int16(as_uint16(vload16(first + k, words)) >> 30) << (2 * k);
  }
  #if CODE_BITS % 2 == 1
  code |= ((vload16(CODE_BITS - 1, words) >> c) & 1) << (CODE_BITS - 1);
  #endif
  return code;
}

INLINE float16 word_value(GLOBAL uchar* codes, const int c) {
  #if CODE_BITS < 6
  return codes_to_float(word_code(codes, c));
  #elif defined(SIGNED_CODES)
  return convert_float16((word_code(codes, c) << 26) >> 26);
  #else
  return convert_float16(word_code(codes, c) & 63);
  #endif
}
#endif

INLINE void unit_pair(GLOBAL uchar* unit, const int i, float16* q0, float16* q1) {
#if defined(TYPE_F32)
  *q0 = vload16(2 * i, (GLOBAL float*)unit);
  *q1 = vload16(2 * i + 1, (GLOBAL float*)unit);
#elif defined(TYPE_F16)
  *q0 = load_half16(unit + i * 64);
  *q1 = load_half16(unit + i * 64 + 32);
#elif defined(TYPE_BF16)
  *q0 = load_bfloat16(unit + i * 64);
  *q1 = load_bfloat16(unit + i * 64 + 32);
#elif defined(CODE_WORDS)
  *q0 = word_value(unit + SCALE_BYTES, 2 * i);
  *q1 = word_value(unit + SCALE_BYTES, 2 * i + 1);
#elif CODE_BITS == 8
  GLOBAL uchar* codes = unit + SCALE_BYTES;
  #ifdef SIGNED_CODES
  *q0 = convert_float16(vload16(2 * i, (GLOBAL char*)codes));
  *q1 = convert_float16(vload16(2 * i + 1, (GLOBAL char*)codes));
  #else
  *q0 = convert_float16(vload16(2 * i, codes));
  *q1 = convert_float16(vload16(2 * i + 1, codes));
  #endif
#elif CODE_BITS == 4
  GLOBAL uchar* word = unit + SCALE_BYTES + i / 4 * 64;
  const int byte = 2 * (i % 2), shift = i / 2 % 2 * 4;
  *q0 = codes_to_float(load_word16(word, byte) >> shift);
  *q1 = codes_to_float(load_word16(word, byte + 1) >> shift);
#else
  const int16 four = convert_int16(vload16(i / 2, unit + SCALE_BYTES)) >> (4 * (i % 2));
  *q0 = codes_to_float(four);
  *q1 = codes_to_float(four >> 2);
#endif
}

#ifdef CODE_BITS
  #ifdef CODE_VALUES
__constant float code_values[16] = {CODE_VALUES};
  #endif

// The value of a code; bits above it are ignored.
INLINE float code_value(const uint q) {
  #if defined(CODE_VALUES)
  return code_values[q & 15];
  #elif defined(SIGNED_CODES)
  return (float)((int)(q << (32 - CODE_BITS)) >> (32 - CODE_BITS));
  #else
  return (float)((int)(q & ((1 << CODE_BITS) - 1)) - CODE_BIAS);
  #endif
}

// The value of the code of one row (lane) and column of a unit.
INLINE float code_at(GLOBAL uchar* unit, const int lane, const int c) {
  GLOBAL uchar* codes = unit + SCALE_BYTES;
  #ifdef CODE_WORDS
  GLOBAL uint* words = (GLOBAL uint*)codes + lane;
  uint q = words[c / CODES_A_WORD % CODE_BITS * 16] >> (c % CODES_A_WORD * CODE_BITS);
  if (c >= 30) {
    q = 0;
    for (int k = 0; k < CODE_BITS / 2; ++k) {
      q |= (words[((c - 30) * (CODE_BITS / 2) + k) * 16] >> 30) << (2 * k);
    }
    #if CODE_BITS % 2 == 1
    q |= ((words[(CODE_BITS - 1) * 16] >> c) & 1) << (CODE_BITS - 1);
    #endif
  }
  #elif CODE_BITS == 4
  const uint q = codes[c / 8 * 64 + lane * 4 + c % 4] >> (c % 8 / 4 * 4);
  #else
  const uint q = codes[c * CODE_BITS / 8 * 16 + lane] >> (c * CODE_BITS % 8);
  #endif
  return code_value(q);
}

INLINE float affine_at(GLOBAL uchar* p, const int lane) {
  #if defined(AFFINE_F32)
  return ((GLOBAL float*)p)[lane];
  #elif defined(AFFINE_BF16)
  return as_float((uint)((GLOBAL ushort*)p)[lane] << 16);
  #else
  return vload_half(lane, (GLOBAL half*)p);
  #endif
}
#endif

INLINE void scales_at(GLOBAL uchar* super, const int u, const int half_unit, const int lane,
                      float* d, float* m) {
  GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
#if defined(TYPE_AFFINE)
  *d = affine_at(super, lane);
  *m = affine_at(super + 16 * AFFINE_SCALE_BYTES, lane);
#elif defined(TYPE_Q2_K)
  const uchar both = unit[half_unit * 16 + lane];
  *d = vload_half(lane, (GLOBAL half*)super) * (both & 15);
  *m = -(vload_half(lane + 16, (GLOBAL half*)super) * (both >> 4));
#elif defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
  *d = vload_half(lane, (GLOBAL half*)super) * unit[lane];
  *m = -(vload_half(lane + 16, (GLOBAL half*)super) * unit[16 + lane]);
#elif defined(TYPE_Q3_K) || defined(TYPE_Q6_K) || defined(TYPE_IQ4_XS)
  *d = vload_half(lane, (GLOBAL half*)super) * as_char(unit[half_unit * 16 + lane]);
#elif defined(TYPE_MXFP4)
  *d = as_float(unit[lane] == 0 ? 0x00400000u : (uint)unit[lane] << 23);
#elif defined(CODE_BITS)
  *d = vload_half(lane, (GLOBAL half*)unit);
  #ifdef HAS_MIN
  *m = vload_half(lane + 16, (GLOBAL half*)unit);
  #endif
#endif
}

// The unit of column k in the row block of `row`, and the super-block that it is in.
INLINE GLOBAL uchar* super_at(GLOBAL uchar* matrix, const int K, const int row, const int k) {
  return matrix + (long)(row / 16) * ROW_BLOCK_BYTES(K) + (long)(k / SUPER_COLUMNS) * SUPER_BYTES;
}
INLINE GLOBAL uchar* unit_at(GLOBAL uchar* super, const int k) {
  return super + HEADER_BYTES + k % SUPER_COLUMNS / UNIT_COLUMNS * UNIT_BYTES;
}

// The code of a row and a column; of a plain type the weight itself.
INLINE float value_at(GLOBAL uchar* unit, const int lane, const int c) {
#if defined(TYPE_F32)
  return ((GLOBAL float*)unit)[c * 16 + lane];
#elif defined(TYPE_F16)
  return vload_half(c * 16 + lane, (GLOBAL half*)unit);
#elif defined(TYPE_BF16)
  return as_float((uint)((GLOBAL ushort*)unit)[c * 16 + lane] << 16);
#else
  return code_at(unit, lane, c);
#endif
}

// One weight by itself, for a gather of single rows.
INLINE float weight_at(GLOBAL uchar* matrix, const int K, const int row, const int k) {
  GLOBAL uchar* super = super_at(matrix, K, row, k);
  const int c = k % UNIT_COLUMNS, lane = row % 16;
  const float q = value_at(unit_at(super, k), lane, c);
#ifdef CODE_BITS
  float d, m;
  scales_at(super, k % SUPER_COLUMNS / UNIT_COLUMNS, SCALES_A_UNIT == 2 ? c / 16 : 0, lane, &d, &m);
  #ifdef HAS_MIN
  return fma(q, d, m);
  #else
  return q * d;
  #endif
#else
  return q;
#endif
}
