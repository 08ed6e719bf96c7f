// What the log-probability of one token needs of a row of logits, and the likeliest token: SCORE_FLOATS values
//   [0, 16)   sums of exp(x - largest) over sixteen lanes    [16, 32)  what rounding took from them
//   [32]      the largest logit    [33]  the logit of the token    [34]  the likeliest token (bits of an int)
// A sum with what it lost is as good as one in double (Neumaier 1974), on devices without double, too.
#define SCORE_FLOATS 36
#define SCORE_LARGEST 32

// lost += what rounding takes from sum + e; the new sum.
INLINE float16 add_exactly(const float16 sum, const float16 e, float16* lost) {
  const float16 next = sum + e, of_e = next - sum;
  *lost += (sum - (next - of_e)) + (e - of_e);
  return next;
}

// out [SCORE_FLOATS]    x [V]    target: an id, range-checked
INLINE void score_row(__global float* out, GLOBAL float* x, const int V, const int target) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  float16 top = -INFINITY;
  int16 top_at = lanes;
  for (int v = 0; v < V; v += 16) {
    const int16 at = v + lanes;
    const float16 value = select((float16)(-INFINITY), load_partial16(x + v, V - v), at < V);
    const int16 is_more = value > top;
    top = select(top, value, is_more);
    top_at = select(top_at, at, is_more);
  }
  float tops[16];
  int ats[16];
  vstore16(top, 0, tops);
  vstore16(top_at, 0, ats);
  float largest = tops[0];
  int likeliest = ats[0];
  for (int i = 1; i < 16; ++i) {
    if (tops[i] > largest || (tops[i] == largest && ats[i] < likeliest)) {
      largest = tops[i];
      likeliest = ats[i];
    }
  }
  float16 sum = 0.0f, lost = 0.0f;
  for (int v = 0; v < V; v += 16) {
    const float16 value = load_partial16(x + v, V - v);
    // A NaN stays one.
    const float16 e = select((float16)(0.0f), exp_of_negative16(value - largest), v + lanes < V);
    sum = add_exactly(sum, e, &lost);
  }
  store16(sum, out);
  store16(lost, out + 16);
  out[SCORE_LARGEST] = largest;
  out[33] = x[target];
  out[34] = as_float(likeliest);
  out[35] = 0.0f;
}
