// y[t, :] = scale * W[token t, :].  Unit: a token.
//   y [T, D] out    W [V, D] packed    token ids in range: the host has checked them
KERNEL void embed(__global float* y, GLOBAL uchar* W, GLOBAL int* step, const int T, const int D,
                  const float scale) {
  for (int t = PART; t < T; t += PARTS) {
    const int token = step[STEP_TOKENS + t];
    for (int d = 0; d < D; ++d) y[(long)t * D + d] = weight_at(W, D, token, d) * scale;
  }
}
