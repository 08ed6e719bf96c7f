// What the filters of cl/sample.cl are made of. Each keeps the first of the tokens in some order (by probability, or
// by distance from the mean): where it ends is found by histograms over the bits of what they are ordered by,
// without a sort.
#define BUCKETS 32768  // of a key's upper bits, then of its lower 15

// The tokens that are left of a row: p[v] is exp((x[v] - best) / t) up to a factor, 0 where v is out.
typedef struct {
  float total;  // of p
  float best;   // the largest x that is left
  float t;      // the temperature so far: 1, then that of the options
} Left;

// A cut that waits, as those that follow may join it: of the tokens in order at most `most`, those before the
// last with a mass of at most `most_mass`, and none with p < least.
typedef struct {
  int by_distance;  // order: by |x / t - mean|, ascending; else by p, descending. Lower ids first
  int most;
  float most_mass;
  float least;
  float mean;
} Cut;

// What tokens are ordered by: the larger, the earlier; 0 for those that are out.
INLINE uint16 keys_of(const float16 p, GLOBAL float* x, const int n, const Left left,
                      const Cut cut) {
  if (!cut.by_distance) return as_uint16(p);
  const float16 d = fabs((load_partial16(x, n) - left.best) / left.t - cut.mean);
  // d < 256, as p is 0 past 88: scaled, the keys are below those of 2.0, which have buckets.
  return select((uint16)(0x3fffffffu) - as_uint16(d * 0x1p-10f), (uint16)(0u), p == 0.0f);
}

// Where a cut falls: what has a greater key stays; of those with this key, the first ones, given how many
// tokens came before them, and with what mass.
typedef struct {
  uint key;
  int taken;
  float mass;
} End;

// counts, masses [BUCKETS]: of the keys' upper 17 bits (level 0), or of the lower 15 bits of those that
// have the upper bits `upper` (level 1).
INLINE void fill_histogram(__global int* counts, __global float* masses, GLOBAL float* p,
                           GLOBAL float* x, const int V, const Left left, const Cut cut,
                           const int level, const uint upper) {
  for (int b = 0; b < BUCKETS; ++b) {
    counts[b] = 0;
    masses[b] = 0.0f;
  }
  for (int v = 0; v < V; v += 16) {
    const float16 p16 = load_partial16(p + v, V - v);
    const uint16 keys = keys_of(p16, x + v, V - v, left, cut);
    const int16 counted = level == 0 ? keys != 0u : (keys >> 15) == upper;
    if (!any(counted)) continue;
    uint buckets[16];
    float mass[16];
    vstore16(level == 0 ? keys >> 15 : select((uint16)(BUCKETS), keys & 32767u, counted), 0, buckets);
    vstore16(p16, 0, mass);
    for (int i = 0; i < 16; ++i) {
      if (mass[i] == 0.0f || buckets[i] == BUCKETS) continue;
      counts[buckets[i]] += 1;
      masses[buckets[i]] += mass[i];
    }
  }
}

INLINE End find_end(GLOBAL float* p, GLOBAL float* x, const int V, __global int* counts,
                    __global float* masses, const Left left, const Cut cut) {
  End end = {0u, 0, 0.0f};
  uint upper = 0;
  for (int level = 0; level < 2; ++level) {
    fill_histogram(counts, masses, p, x, V, left, cut, level, upper);
    int b = BUCKETS - 1;  // whole buckets while both bounds hold
    while (b >= 0 && end.taken + counts[b] <= cut.most && end.mass + masses[b] <= cut.most_mass) {
      end.taken += counts[b];
      end.mass += masses[b];
      --b;
    }
    if (b < 0) {  // everything fits; on level 1, by rounding: all of this upper bucket
      end.key = level == 0 ? 0u : max(upper << 15, 1u) - 1u;
      return end;
    }
    end.key = (upper << 15) | (uint)b;
    upper = (uint)b;
  }
  return end;
}

// Drops what is behind `end` or below cut.least, and returns the mass that stays.
INLINE float drop(__global float* p, GLOBAL float* x, const int V, const Left left, const Cut cut,
                  End end) {
  float total = 0.0f;
  for (int v = 0; v < V; v += 16) {
    float16 p16 = load_partial16(p + v, V - v);
    const uint16 keys = keys_of(p16, x + v, V - v, left, cut);
    const int16 in = p16 >= cut.least, ties = (keys == end.key) & (p16 != 0.0f);
    int16 stays = keys > end.key;
    if (any(ties)) {
      int lanes[16];
      float mass[16];
      vstore16(ties, 0, lanes);
      vstore16(p16, 0, mass);
      for (int i = 0; i < 16; ++i) {
        if (!lanes[i]) continue;
        lanes[i] = end.taken < cut.most && end.mass <= cut.most_mass ? -1 : 0;
        if (!lanes[i]) continue;
        end.taken += 1;
        end.mass += mass[i];
      }
      stays |= vload16(0, lanes);
    }
    p16 = select((float16)(0.0f), p16, stays & in);
    store_partial16(p16, p + v, V - v);
    total += sum16(p16);
  }
  return total;
}

// p = exp((x - best) / t), of all tokens or of those that are left; returns its sum.
INLINE float exponentials(__global float* p, GLOBAL float* x, const int V, const float best,
                          const float t, const int of_all) {
  float total = 0.0f;
  for (int v = 0; v < V; v += 16) {
    const float16 e = exp_of_negative16((load_partial16(x + v, V - v) - best) / t);
    const int16 out = of_all ? (int16)(0) : load_partial16(p + v, V - v) == 0.0f;
    store_partial16(select(e, (float16)(0.0f), out), p + v, V - v);
    total += sum16(load_partial16(p + v, V - v));  // lanes past the end read 0
  }
  return total;
}

// Of x / t, by p: how far a token is from it is how far its surprise is from the entropy.
INLINE float mean_of(GLOBAL float* p, GLOBAL float* x, const int V, const Left left) {
  float sum = 0.0f;
  for (int v = 0; v < V; v += 16) {
    const float16 p16 = load_partial16(p + v, V - v);
    const float16 e = (load_partial16(x + v, V - v) - left.best) / left.t * p16;
    sum += sum16(select(e, (float16)(0.0f), p16 == 0.0f));
  }
  return sum / left.total;
}

INLINE float largest_left(GLOBAL float* p, GLOBAL float* values, const int V) {
  float16 top = -INFINITY;
  for (int v = 0; v < V; v += 16) {
    const int16 out = load_partial16(p + v, V - v) == 0.0f;
    top = fmax(top, select(load_partial16(values + v, V - v), (float16)(-INFINITY), out));
  }
  return max16(top);
}
