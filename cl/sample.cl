// The next token from logits [V]. Order: repeat penalty, top-p, min-p, top-k, temperature, draw.
// Top-p, min-p and top-k each keep a prefix of the tokens sorted by probability (lower id first on a
// tie), so together they keep the shortest of the three; its end is found by histograms over the bits of
// the probabilities, without a sort.
//
//   options (src/ops/sample.h): floats temperature, top_p, min_p, repeat_penalty; ints top_k, seed low,
//   seed high. seen [V]: 1 for ids that were sampled since the reset.
#define OPTION_TEMPERATURE 0
#define OPTION_TOP_P 1
#define OPTION_MIN_P 2
#define OPTION_REPEAT_PENALTY 3
#define OPTION_TOP_K 4
#define OPTION_SEED 5

#define BUCKETS 32768  // of a probability's upper bits, then of its lower 15

// Unit: sixteen logits. partial [parts, 2]: the largest logit of a part and its id, -1 where there is
// none that is a number; an id of -2 marks a NaN.
KERNEL void sample_partial(__global float* logits, __global float* partial, GLOBAL float* options,
                           GLOBAL uchar* seen, const int V) {
  const float penalty = options[OPTION_REPEAT_PENALTY];
  const int first = SHARE_FIRST((V + 15) / 16, PART, PARTS) * 16;
  const int end = min(V, SHARE_LAST((V + 15) / 16, PART, PARTS) * 16);
  if (penalty != 1.0f) {
    for (int v = first; v < end; ++v) {
      if (seen[v]) logits[v] = logits[v] > 0.0f ? logits[v] / penalty : logits[v] * penalty;
    }
  }
  float16 top = -INFINITY;
  int16 bad = 0;
  for (int v = first; v + 16 <= end; v += 16) {
    const float16 x = vload16(0, logits + v);
    bad |= isnan(x);
    top = fmax(top, x);
  }
  float best = max16(top);
  int has_nan = any(bad);
  for (int v = max(first, end / 16 * 16); v < end; ++v) {
    has_nan |= isnan(logits[v]);
    best = fmax(best, logits[v]);
  }
  int id = -1;
  for (int v = first; v < end && id < 0 && best > -INFINITY; ++v) {
    if (logits[v] == best) id = v;
  }
  partial[2 * PART] = best;
  partial[2 * PART + 1] = as_float(has_nan ? -2 : id);
}

// Philox 4x32-10: the first word for (counter, key).
INLINE uint philox(const uint counter, const uint key_low, const uint key_high) {
  uint4 c = (uint4)(counter, 0, 0, 0);
  uint k0 = key_low, k1 = key_high;
  for (int round = 0; round < 10; ++round) {
    const uint high0 = mul_hi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
    const uint high1 = mul_hi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
    c = (uint4)(high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c.x;
}

// Where the sorted tokens are cut: those with a probability above `bits` stay, and of those equal to it
// the first `ties`.
typedef struct {
  uint bits;
  int ties;
} Cut;

// How many of the tokens that fall into `count` (with mass `mass`) come before the cut, given what came
// before the bucket; whole buckets are taken while both bounds hold.
INLINE int bucket_fits(const int count, const float mass, const int taken, const float mass_taken,
                       const int most, const float most_mass) {
  return taken + count <= most && mass_taken + mass <= most_mass;
}

// The cut after at most `most` tokens, whose mass before the last one is at most `most_mass`.
// histogram [2, BUCKETS]: counts (as int), then masses.
INLINE Cut find_cut(GLOBAL float* p, const int V, __global int* counts, __global float* masses,
                    const int most, const float most_mass) {
  int taken = 0;
  float mass_taken = 0.0f;
  uint upper = 0;
  Cut cut = {0u, V};
  for (int level = 0; level < 2; ++level) {
    for (int b = 0; b < BUCKETS; ++b) {
      counts[b] = 0;
      masses[b] = 0.0f;
    }
    for (int v = 0; v < V; ++v) {
      const uint bits = as_uint(p[v]);
      if (level == 1 && (bits >> 15) != upper) continue;
      const int b = level == 0 ? (int)(bits >> 15) : (int)(bits & 32767u);
      counts[b] += 1;
      masses[b] += p[v];
    }
    int b = BUCKETS - 1;
    while (b >= 0 && bucket_fits(counts[b], masses[b], taken, mass_taken, most, most_mass)) {
      taken += counts[b];
      mass_taken += masses[b];
      --b;
    }
    if (b < 0) {  // everything fits; on level 1, by rounding: all of this upper bucket
      if (level == 1) cut.bits = upper << 15;
      return cut;
    }
    if (level == 0) {
      upper = (uint)b;
      continue;
    }
    // Equal probabilities: take them one by one while the mass before each is within bounds.
    cut.bits = (upper << 15) | (uint)b;
    cut.ties = 0;
    const float each = as_float(cut.bits);
    while (cut.ties < counts[b] && taken + cut.ties < most &&
           mass_taken + (float)cut.ties * each <= most_mass) {
      ++cut.ties;
    }
  }
  return cut;
}

// One work-item. scratch: p [V], counts [BUCKETS], masses [BUCKETS]. result[0]: the id, -1 where a logit
// is NaN or none is finite. step[1]: draws so far.
KERNEL void sample_pick(__global int* result, __global float* scratch, __global uchar* seen,
                        GLOBAL float* logits, GLOBAL float* partial, GLOBAL float* options,
                        GLOBAL int* step, const int parts, const int V) {
  if (PART != 0) return;
  float best = -INFINITY;
  int id = -1, has_nan = 0;
  for (int i = 0; i < parts; ++i) {
    const int part_id = as_int(partial[2 * i + 1]);
    has_nan |= part_id == -2;
    if (part_id >= 0 && partial[2 * i] > best) {
      best = partial[2 * i];
      id = part_id;
    }
  }
  if (has_nan || id < 0 || best == INFINITY) {
    result[0] = -1;
    return;
  }
  const float temperature = options[OPTION_TEMPERATURE];
  if (temperature > 0.0f) {
    __global float* p = scratch;
    float16 total16 = 0.0f;
    for (int v = 0; v < V; v += 16) {
      const float16 e = exp_of_negative16(load_partial16(logits + v, V - v) - best);
      store_partial16(e, p + v, V - v);
      if (V - v >= 16) total16 += e;
    }
    float total = sum16(total16);
    for (int v = V / 16 * 16; v < V; ++v) total += p[v];

    const float top_p = options[OPTION_TOP_P], min_p = options[OPTION_MIN_P];
    const int top_k = as_int(options[OPTION_TOP_K]);
    Cut cut = {0u, V};
    if (top_k > 0 || (top_p > 0.0f && top_p < 1.0f)) {
      cut = find_cut(p, V, (__global int*)(scratch + V), scratch + V + BUCKETS,
                     top_k > 0 ? top_k : V, top_p > 0.0f && top_p < 1.0f ? top_p * total : INFINITY);
    }
    float kept = 0.0f;
    int ties = 0;
    for (int v = 0; v < V; ++v) {
      const uint bits = as_uint(p[v]);
      const int stays = p[v] >= min_p && (bits > cut.bits || (bits == cut.bits && ties++ < cut.ties));
      p[v] = stays ? p[v] : 0.0f;
      if (temperature == 1.0f) kept += p[v];
    }
    if (temperature != 1.0f) {
      for (int v = 0; v < V; v += 16) {
        const float16 old = load_partial16(p + v, V - v);
        const float16 e = exp_of_negative16((load_partial16(logits + v, V - v) - best) / temperature);
        store_partial16(select(e, (float16)(0.0f), old == 0.0f), p + v, V - v);
      }
      for (int v = 0; v < V; ++v) kept += p[v];
    }
    const uint random = philox((uint)step[1], as_uint(options[OPTION_SEED]),
                               as_uint(options[OPTION_SEED + 1]));
    const float target = (float)(random >> 8) * 0x1p-24f * kept;
    float before = 0.0f;
    for (int v = 0; v < V; ++v) {
      if (p[v] == 0.0f) continue;
      id = v;  // the last kept one where rounding leaves target at the very end
      before += p[v];
      if (before > target) break;
    }
  }
  seen[id] = 1;
  result[0] = id;
}
