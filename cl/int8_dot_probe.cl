// Unit: a sum. out[i] = int8_dot(a[i], b[i], acc[i])
KERNEL void int8_dot_probe(__global int* out, GLOBAL int* a, GLOBAL int* b, GLOBAL int* acc,
                           const int n) {
  for (int i = PART; i < n; i += PARTS) out[i] = int8_dot(a[i], b[i], acc[i]);
}
