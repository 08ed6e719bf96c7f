// What positions turn by, once a step for all layers that share frequencies.
// Unit: a token.    angles [T, 2, half_R] out: cosines, sines    inv_freq [half_R]
KERNEL void rope_angles(__global float* angles, GLOBAL float* inv_freq, GLOBAL int* step, const int T,
                        const int half_R, const float factor) {
  for (int t = PART; t < T; t += PARTS) {
    __global float* out = angles + (long)t * 2 * half_R;
    for (int i = 0; i < half_R; ++i) {
      const float angle = (float)step[STEP_POSITIONS(T) + t] * inv_freq[i];
      out[i] = cos(angle) * factor;
      out[half_R + i] = sin(angle) * factor;
    }
  }
}
