// The next token of each row of logits [R, V]; the definition is in src/ops/sample.h. A row is cut and drawn
// by one work-item: what it gives depends on nothing but its logits and its part of the table.
//
//   table (src/ops/sample.cc): OPTION_WORDS a row, then entries of ENTRY_WORDS {id, times generated, bias},
//   those of a row by ascending id
#define OPTION_WORDS 16
#define TEMPERATURE 0
#define TOP_P 1
#define MIN_P 2
#define TYPICAL_P 3
#define REPEAT_PENALTY 4
#define FREQUENCY_PENALTY 5
#define PRESENCE_PENALTY 6
#define TOP_K 7
#define SEED 8
#define DRAW 10
#define FILTERS 11  // four bits each, the first one lowest: FILTER_* + 1, then zeros
#define FIRST_ENTRY 12
#define ENTRY_COUNT 13
#define ENTRY_WORDS 3

#define FILTER_TOP_P 0
#define FILTER_MIN_P 1
#define FILTER_TOP_K 2
#define FILTER_TYPICAL 3
#define FILTER_TEMPERATURE 4

// y [first, end) = penalised and biased logits.   entries [count, ENTRY_WORDS]
INLINE void adjust(__global float* y, GLOBAL float* logits, GLOBAL float* options,
                   GLOBAL float* entries, const int count, const int first, const int end) {
  for (int v = first; v < end; v += 16) {
    store_partial16(load_partial16(logits + v, end - v), y + v, end - v);
  }
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (as_int(entries[middle * ENTRY_WORDS]) < first) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < count; ++low) {
    GLOBAL float* entry = entries + low * ENTRY_WORDS;
    const int id = as_int(entry[0]), times = as_int(entry[1]);
    if (id >= end) break;
    float x = logits[id];
    if (times > 0) {
      x = x > 0.0f ? x / options[REPEAT_PENALTY] : x * options[REPEAT_PENALTY];
      x -= options[FREQUENCY_PENALTY] * (float)times;
      x -= options[PRESENCE_PENALTY];
    }
    y[id] = x + entry[2];
  }
}

// Unit: a piece of a row.   partial [R, pieces, 2]: the largest logit of a piece and its id, -1 where there
// is none that is a number; an id of -2 marks a NaN.   adjusted [R, V]: of rows that have entries
KERNEL void sample_partial(__global float* partial, __global float* adjusted, GLOBAL float* logits,
                           GLOBAL float* table, const int R, const int pieces, const int V) {
  const int last = SHARE_LAST(R * pieces, PART, PARTS);
  for (int unit = SHARE_FIRST(R * pieces, PART, PARTS); unit < last; ++unit) {
    const int row = unit / pieces;
    const int first = SHARE_FIRST((V + 15) / 16, unit % pieces, pieces) * 16;
    const int end = min(V, SHARE_LAST((V + 15) / 16, unit % pieces, pieces) * 16);
    GLOBAL float* options = table + row * OPTION_WORDS;
    GLOBAL float* x = logits + (long)row * V;
    const int entries = as_int(options[ENTRY_COUNT]);
    if (entries > 0) {
      __global float* y = adjusted + (long)row * V;
      adjust(y, x, options, table + as_int(options[FIRST_ENTRY]), entries, first, end);
      x = y;
    }
    float16 top = -INFINITY;
    int16 bad = 0;
    for (int v = first; v + 16 <= end; v += 16) {
      const float16 values = load16(x + v);
      bad |= isnan(values);
      top = fmax(top, values);
    }
    float best = max16(top);
    int has_nan = any(bad);
    for (int v = max(first, end / 16 * 16); v < end; ++v) {
      has_nan |= isnan(x[v]);
      best = fmax(best, x[v]);
    }
    int id = -1;
    for (int v = first; v < end && id < 0 && best > -INFINITY; ++v) {
      if (x[v] == best) id = v;
    }
    partial[2 * unit] = best;
    partial[2 * unit + 1] = as_float(has_nan ? -2 : id);
  }
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

// The token at which the mass of those up to it passes `share` of the whole.
INLINE int token_at(GLOBAL float* p, const int V, const float share, const float total) {
  const float target = share * total;
  float before = 0.0f;
  int block = 0;  // the last one that holds a token, where rounding leaves target at the very end
  for (int v = 0; v < V; v += 16) {
    const float mass = sum16(load_partial16(p + v, V - v));
    if (mass == 0.0f) continue;
    block = v;
    if (before + mass > target) break;
    before += mass;
  }
  int id = block;
  for (int v = block; v < min(V, block + 16); ++v) {
    if (p[v] == 0.0f) continue;
    id = v;
    before += p[v];
    if (before > target) break;
  }
  return id;
}

// p [V], counts and masses [BUCKETS]: scratch.   best: the largest of x, a number
INLINE int draw(__global float* p, __global int* counts, __global float* masses, GLOBAL float* x,
                GLOBAL float* options, const float best, const int V) {
  const Cut nothing = {0, V, INFINITY, 0.0f, 0.0f};
  Cut cut = nothing;
  Left left = {exponentials(p, x, V, best, 1.0f, 1), best, 1.0f};
  float likeliest = 1.0f;  // the largest p
  int waits = 0;
  uint filters = as_uint(options[FILTERS]);
  for (int more = 1; more; filters >>= 4) {
    more = (filters & 15u) != 0u;
    const int filter = (int)(filters & 15u) - 1;
    const int joins = filter == FILTER_MIN_P || filter == FILTER_TOP_K;
    if (waits && (cut.by_distance || !joins)) {
      End end = {0u, 0, 0.0f};
      if (cut.most < V || cut.most_mass < INFINITY) {
        end = find_end(p, x, V, counts, masses, left, cut);
      }
      left.total = drop(p, x, V, left, cut, end);
      if (cut.by_distance) {
        left.best = largest_left(p, x, V);
        likeliest = largest_left(p, p, V);
      }
      cut = nothing;
      waits = 0;
    }
    const float top_p = options[TOP_P], typical_p = options[TYPICAL_P];
    const float temperature = options[TEMPERATURE];
    if (filter == FILTER_TOP_P && top_p > 0.0f && top_p < 1.0f) {
      cut.most_mass = top_p * left.total;
      waits = 1;
    } else if (filter == FILTER_MIN_P && options[MIN_P] > 0.0f) {
      cut.least = options[MIN_P] * likeliest;
      waits = 1;
    } else if (filter == FILTER_TOP_K && as_int(options[TOP_K]) > 0) {
      cut.most = min(V, as_int(options[TOP_K]));
      waits = 1;
    } else if (filter == FILTER_TYPICAL && typical_p > 0.0f && typical_p < 1.0f) {
      cut.by_distance = 1;
      cut.mean = mean_of(p, x, V, left);
      cut.most_mass = typical_p * left.total;
      waits = 1;
    } else if (filter == FILTER_TEMPERATURE && temperature != left.t) {
      left.total = exponentials(p, x, V, left.best, temperature, 0);
      left.t = temperature;
      likeliest = 1.0f;
    }
  }
  const uint random = philox(as_uint(options[DRAW]), as_uint(options[SEED]), as_uint(options[SEED + 1]));
  return token_at(p, V, (float)(random >> 8) * 0x1p-24f, left.total);
}

// Unit: a row.   result [R]: the id, -1 where a logit is NaN or the largest is infinite.
// scratch [R, V + 2 * BUCKETS]
KERNEL void sample_pick(__global int* result, __global float* scratch, GLOBAL float* adjusted,
                        GLOBAL float* logits, GLOBAL float* partial, GLOBAL float* table, const int R,
                        const int pieces, const int V) {
  const int last = SHARE_LAST(R, PART, PARTS);
  for (int row = SHARE_FIRST(R, PART, PARTS); row < last; ++row) {
    float best = -INFINITY;
    int id = -1, has_nan = 0;
    for (int i = row * pieces; i < (row + 1) * pieces; ++i) {
      const int piece_id = as_int(partial[2 * i + 1]);
      has_nan |= piece_id == -2;
      if (piece_id >= 0 && partial[2 * i] > best) {
        best = partial[2 * i];
        id = piece_id;
      }
    }
    if (has_nan || best == INFINITY) id = -1;
    GLOBAL float* options = table + row * OPTION_WORDS;
    if (id >= 0 && options[TEMPERATURE] > 0.0f) {
      GLOBAL float* x = (as_int(options[ENTRY_COUNT]) > 0 ? adjusted : logits) + (long)row * V;
      __global float* p = scratch + (long)row * (V + 2 * BUCKETS);
      id = draw(p, (__global int*)(p + V), p + V + BUCKETS, x, options, best, V);
    }
    result[row] = id;
  }
}
