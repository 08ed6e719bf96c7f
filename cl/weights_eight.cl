// Eight columns of one row of a unit at once, for devices of narrow work-items: 4-bit codes come with one
// load of a word, and sixteen neighbours read 64 bytes side by side.
INLINE void eight_at(float* q, GLOBAL uchar* unit, const int lane, const int c0) {
#if defined(CODE_BITS) && CODE_BITS == 4
  const uint word = ((GLOBAL uint*)(unit + SCALE_BYTES))[c0 / 8 * 16 + lane];
  #pragma unroll
  for (int j = 0; j < 8; ++j) q[j] = code_value(word >> (j % 4 * 8 + j / 4 * 4));
#else
  #pragma unroll
  for (int j = 0; j < 8; ++j) q[j] = value_at(unit, lane, c0 + j);
#endif
}
