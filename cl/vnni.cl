// Whether the processor's dot product of bytes is at hand: unsigned 255, 255, 255, lane times signed -1, -2,
// -3, -128, on top of 1000.
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void vnni(__global int* sums) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const int16 a = (lanes << 24) | 0x00FFFFFF, w = (int16)(0x80FDFEFF);
  int16 sum = 1000;
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
  vstore16(sum, 0, sums);
}
