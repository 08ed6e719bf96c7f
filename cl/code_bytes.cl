// Codes of a unit (cl/weights.cl) as bytes, for the dot product of bytes of AVX-512 VNNI: a word a row with four
// columns, the first one lowest. Unsigned, a byte is the value times CODE_FACTOR plus CODE_ZERO.
#if defined(CODE_VALUES)
  #define CODE_ZERO 128
  #ifdef TYPE_MXFP4
    #define BYTE_VALUES 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12
  #else
    #define BYTE_VALUES CODE_VALUES
  #endif
#elif defined(SIGNED_CODES)
  #define CODE_ZERO (1 << (CODE_BITS - 1))
#else
  #define CODE_ZERO CODE_BIAS
#endif
#define EVERY_BYTE(x) ((int)((uint)(x) * 0x01010101u))

// sum += the four products of bytes in each lane: unsigned bytes of a, signed ones of b.
INLINE int16 dot4(int16 sum, const int16 a, const int16 b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}

// Bytes of x by the lowest four bits of each byte of `at`, within each 16 bytes.
INLINE int16 shuffle_bytes(const int16 x, const int16 at) {
  typedef char char64_gnu __attribute__((__vector_size__(64)));
  return __builtin_astype(__builtin_ia32_pshufb512(__builtin_astype(x, char64_gnu),
                                                   __builtin_astype(at, char64_gnu)),
                          int16);
}

// Columns 4 i ... 4 i + 3 of a unit, unsigned.
INLINE int16 unsigned_quad(GLOBAL uchar* unit, const int i) {
  GLOBAL uchar* codes = unit + SCALE_BYTES;
#if CODE_BITS == 4
  const int16 quad = (vload16(i / 2, (GLOBAL int*)codes) >> (i % 2 * 4)) & EVERY_BYTE(15);
  #ifdef CODE_VALUES
  const char16 table = (char16)(BYTE_VALUES) ^ (char16)(-128);
  const int4 words = as_int4(table);
  return shuffle_bytes((int16)(words, words, words, words), quad);
  #else
  return quad;
  #endif
#elif CODE_BITS == 8
  // Four columns of sixteen rows: of four rows at a time the columns' words, then the words' bytes in turn.
  const int16 columns = vload16(i, (GLOBAL int*)codes);
  const int16 rows = columns.s048c159d26ae37bf;
  const int4 turn = (int4)(0x0C080400, 0x0D090501, 0x0E0A0602, 0x0F0B0703);
  const int16 quad = shuffle_bytes(rows, (int16)(turn, turn, turn, turn));
  #ifdef SIGNED_CODES
  return quad ^ EVERY_BYTE(128);
  #else
  return quad;
  #endif
#elif CODE_BITS == 2
  const int16 four = convert_int16(vload16(i, codes));
  return (four | (four << 6) | (four << 12) | (four << 18)) & EVERY_BYTE(3);
#else
  const int mask = (1 << CODE_BITS) - 1;
  int16 quad = word_code(codes, 4 * i) & mask;
  #pragma unroll
  for (int k = 1; k < 4; ++k) quad |= (word_code(codes, 4 * i + k) & mask) << (8 * k);
  #ifdef SIGNED_CODES
  return quad ^ EVERY_BYTE(CODE_ZERO);
  #else
  return quad;
  #endif
#endif
}

// The same, signed: the values times CODE_FACTOR.
INLINE int16 signed_quad(GLOBAL uchar* unit, const int i) {
  const int16 quad = unsigned_quad(unit, i);
#if CODE_ZERO == 128
  return quad ^ EVERY_BYTE(128);
#elif CODE_ZERO > 0
  // The upper bit keeps a byte's borrow from its neighbour.
  return ((quad | EVERY_BYTE(128)) - EVERY_BYTE(CODE_ZERO)) ^ EVERY_BYTE(128);
#else
  return quad;
#endif
}
