// What the log-probability of one token needs of a row of logits, and the likeliest token. A row's result is
// SCORE_FLOATS values:
//   [0, 16)   sums of exp(x - largest) over sixteen lanes    [16, 32)  what rounding took from them
//   [32]      the largest logit    [33]  the logit of the token    [34]  the likeliest token (bits of an int)
// A sum with what it lost is as good as one in double (Neumaier 1974), on devices without double, too.
#define SCORE_FLOATS 36

// Unit: a row.   logits [T, V]    out [first + T, SCORE_FLOATS]    targets [first + T]: ids, range-checked
KERNEL void score_rows(__global float* out, GLOBAL float* logits, GLOBAL int* targets, const int T,
                       const int V, const int first) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    GLOBAL float* x = logits + (long)t * V;
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
      const float16 next = sum + e, of_e = next - sum;
      lost += (sum - (next - of_e)) + (e - of_e);
      sum = next;
    }
    __global float* row = out + (long)(first + t) * SCORE_FLOATS;
    store16(sum, row);
    store16(lost, row + 16);
    row[32] = largest;
    row[33] = x[targets[first + t]];
    row[34] = as_float(likeliest);
    row[35] = 0.0f;
  }
}
