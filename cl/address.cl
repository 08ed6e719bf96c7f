// Where a buffer lies: out[at]. On a CPU device it stays there as long as the buffer lives.
KERNEL void address(__global ulong* out, GLOBAL uchar* buffer, const int at) {
  if (PART == 0) out[at] = (ulong)buffer;
}
