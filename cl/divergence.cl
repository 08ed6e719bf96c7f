// How two rows of logits differ as distributions, p = softmax(a) of the base and q = softmax(b) of the adapted side.
// A row's result is DIVERGENCE_FLOATS values and 4 for each of `top` tokens:
//   [0, 36), [36, 72)  SCORE_FLOATS of each side
//   [72, 168)          sixteen lanes, and what rounding took from them, of the sums over the vocabulary of
//                        KL(q || p)  q (e^-d - 1 + d)     KL(p || q)  p (e^d - 1 - d)     d = ln q - ln p
//                        JS          m / 2 ((1 + u) ln (1 + u) + (1 - u) ln (1 - u))      m = (p + q) / 2,
//                                                                                         u = (q - p) / (q + p)
//   [168, ...)         |q - p|, id (bits of an int; -1: none), a, b of the tokens that moved most: descending, lower
//                      ids first on a tie
// No term is less than 0, and where the sides are near each other none is a difference of larger ones: the p - q that the
// terms of KL have beside the textbook's sum to 0.
#define DIVERGENCE_FLOATS 168
#define DIVERGENCE_SUMS 72
#define MOVED_FLOATS 4

// ln sum(b) - ln sum(a); 0 where they are the same.
INLINE float log_ratio(const float b, const float a) {
  return b < a ? -log1p((a - b) / b) : log1p((b - a) / a);
}

INLINE float sum_of(GLOBAL float* score) { return sum16(load16(score)) + sum16(load16(score + 16)); }

// e^t - 1 - t by its series, |t| <= 1/2.
INLINE float16 exp_less_line16(const float16 t) {
  float16 p = (float16)(2.7557319e-6f);
  p = fma(p, t, (float16)(2.4801587e-5f));
  p = fma(p, t, (float16)(1.9841270e-4f));
  p = fma(p, t, (float16)(1.3888889e-3f));
  p = fma(p, t, (float16)(8.3333333e-3f));
  p = fma(p, t, (float16)(4.1666667e-2f));
  p = fma(p, t, (float16)(1.6666667e-1f));
  p = fma(p, t, (float16)(0.5f));
  return p * (t * t);
}

// ln(1 + e) for 0 <= e <= 1: 2 artanh(e / (2 + e)).
INLINE float16 log1p_to_one16(const float16 e) {
  const float16 s = e / (e + 2.0f), z = s * s;
  float16 p = (float16)(6.6666667e-2f);
  p = fma(p, z, (float16)(7.6923077e-2f));
  p = fma(p, z, (float16)(9.0909091e-2f));
  p = fma(p, z, (float16)(1.1111111e-1f));
  p = fma(p, z, (float16)(1.4285714e-1f));
  p = fma(p, z, (float16)(0.2f));
  p = fma(p, z, (float16)(3.3333333e-1f));
  return 2.0f * fma(p * z, s, s);
}

// (1 + u) ln (1 + u) + (1 - u) ln (1 - u), u = tanh(d / 2): from 0 to 2 ln 2.
INLINE float16 js_of_log_ratio16(const float16 d) {
  const float16 size = fabs(d), u = tanh_of_small16(0.5f * size), z = u * u;
  float16 p = (float16)(5.2631579e-3f);  // 1 / (n (2 n - 1)), n = 10, 9, ...
  p = fma(p, z, (float16)(6.5359477e-3f));
  p = fma(p, z, (float16)(8.3333333e-3f));
  p = fma(p, z, (float16)(1.0989011e-2f));
  p = fma(p, z, (float16)(1.5151515e-2f));
  p = fma(p, z, (float16)(2.2222222e-2f));
  p = fma(p, z, (float16)(3.5714286e-2f));
  p = fma(p, z, (float16)(6.6666667e-2f));
  p = fma(p, z, (float16)(1.6666667e-1f));
  const float16 small = fma(p * z, z, z);
  const float16 e = exp_of_negative16(-size);
  const float16 far = select(size * e / (e + 1.0f), (float16)(0.0f), e == 0.0f);
  const float16 large = 2.0f * ((0.69314718f - log1p_to_one16(e)) - far);
  return select(large, small, size < 1.0f);
}

// Puts a token in its place among the `top` that moved most; the least of them.
INLINE float keep_moved(__global float* moved, const int top, const float change, const int id,
                        const float a, const float b) {
  int at = top - 1;
  for (; at > 0 && moved[(at - 1) * MOVED_FLOATS] < change; --at) {
    for (int i = 0; i < MOVED_FLOATS; ++i) {
      moved[at * MOVED_FLOATS + i] = moved[(at - 1) * MOVED_FLOATS + i];
    }
  }
  __global float* entry = moved + at * MOVED_FLOATS;
  entry[0] = change;
  entry[1] = as_float(id);
  entry[2] = a;
  entry[3] = b;
  return moved[(top - 1) * MOVED_FLOATS];
}

// out: of the row, with both scores.   a, b [V]
INLINE void divergence_row(__global float* out, GLOBAL float* a, GLOBAL float* b, const int V,
                           const int top) {
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const float sum_a = sum_of(out), sum_b = sum_of(out + SCORE_FLOATS);
  const float top_a = out[SCORE_LARGEST], top_b = out[SCORE_FLOATS + SCORE_LARGEST];
  const float of_a = 1.0f / sum_a, of_b = 1.0f / sum_b;
  const float shift = (top_b - top_a) + log_ratio(sum_b, sum_a);
  __global float* moved = out + DIVERGENCE_FLOATS;
  for (int i = 0; i < top; ++i) {
    moved[i * MOVED_FLOATS] = 0.0f;
    moved[i * MOVED_FLOATS + 1] = as_float(-1);
  }
  float least = 0.0f;
  float16 kl_b = 0.0f, lost_b = 0.0f, kl_a = 0.0f, lost_a = 0.0f, js = 0.0f, lost = 0.0f;
  for (int v = 0; v < V; v += 16) {
    const int16 outside = v + lanes >= V;
    const float16 x = load_partial16(a + v, V - v), y = load_partial16(b + v, V - v);
    const float16 p = select(exp_of_negative16(x - top_a) * of_a, (float16)(0.0f), outside);
    const float16 q = select(exp_of_negative16(y - top_b) * of_b, (float16)(0.0f), outside);
    const float16 apart = (y - x) - shift;
    const float16 d = select(apart, (float16)(0.0f), isnan(apart));  // -inf on both sides
    const int16 is_small = fabs(d) < 0.5f;
    const float16 bent = exp_less_line16(d);
    float16 of_q = select((p - q) + q * d, p, q == 0.0f);
    float16 of_p = select((q - p) - p * d, q, p == 0.0f);
    of_q = select(of_q, q * exp_less_line16(-d), is_small);
    of_p = select(of_p, p * bent, is_small);
    kl_b = add_exactly(kl_b, of_q, &lost_b);
    kl_a = add_exactly(kl_a, of_p, &lost_a);
    js = add_exactly(js, 0.25f * (p + q) * js_of_log_ratio16(d), &lost);
    const float16 change = fabs(select(q - p, p * (d + bent), is_small));
    if (top == 0 || !any(change > least)) continue;
    float changes[16];
    vstore16(change, 0, changes);
    for (int i = 0; i < 16; ++i) {
      if (changes[i] > least) least = keep_moved(moved, top, changes[i], v + i, a[v + i], b[v + i]);
    }
  }
  __global float* sums = out + DIVERGENCE_SUMS;
  store16(kl_b, sums);
  store16(lost_b, sums + 16);
  store16(kl_a, sums + 32);
  store16(lost_a, sums + 48);
  store16(js, sums + 64);
  store16(lost, sums + 80);
}

// Unit: a row.   base, adapted: logits [.., V], those of row t at base_first + t and adapted_first + t
// out [first + T, DIVERGENCE_FLOATS + MOVED_FLOATS * top]    targets [first + T]: ids, range-checked
KERNEL void divergence_rows(__global float* out, GLOBAL float* base, GLOBAL float* adapted,
                            GLOBAL int* targets, const int T, const int V, const int first,
                            const int base_first, const int adapted_first, const int top) {
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    __global float* row = out + (long)(first + t) * (DIVERGENCE_FLOATS + MOVED_FLOATS * top);
    GLOBAL float* a = base + (long)(base_first + t) * V;
    GLOBAL float* b = adapted + (long)(adapted_first + t) * V;
    score_row(row, a, V, targets[first + t]);
    score_row(row + SCORE_FLOATS, b, V, targets[first + t]);
    divergence_row(row, a, b, V, top);
  }
}
