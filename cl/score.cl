// Log-probabilities of given tokens (cl/score_row.cl).
// Unit: a row.   logits [T, V]    out [first + T, SCORE_FLOATS]    targets [first + T]: ids, range-checked
KERNEL void score_rows(__global float* out, GLOBAL float* logits, GLOBAL int* targets, const int T,
                       const int V, const int first) {
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    score_row(out + (long)(first + t) * SCORE_FLOATS, logits + (long)t * V, V, targets[first + t]);
  }
}
