// Rotary position embedding into the cache, and grouped-query attention over it.
#pragma once

#include "tensor/recording.h"
#include "tensor/step_buffer.h"
#include "util/dtype.h"

namespace inference {

// Keys and values of one layer. Position p lives at slot p % capacity.
//   keys   [K, capacity / 16, E16, 16]: sixteen positions side by side
//   values [K, capacity, E16]          E16 = head_dim rounded up to 16
struct CacheView {
  Buffer keys, values;
  int64_t capacity = 0;      // slots, a multiple of kCacheBlock
  int64_t window = 0;        // a query sees its last `window` positions, itself included; 0 = all
  DType type = DType::kF32;  // or kF16: each key and value is rounded to it once, when appended
};
constexpr int64_t kCacheBlock = 64;  // positions a block; scores are merged by block, in order

// Bytes of the keys (or the values) of one layer.
uint64_t CacheBytes(int64_t capacity, int64_t kv_heads, int64_t head_dim, DType type);

struct HeadShape {
  int64_t heads = 0;     // H, of queries
  int64_t kv_heads = 0;  // K; heads is a multiple
  int64_t head_dim = 0;  // E
};

// Su et al. 2021, in the "half" form: dimension i turns with i + R/2; R, twice the length of
// inv_freq, is at most E.
struct RopeTable {
  Tensor inv_freq;                // [R / 2]
  float attention_factor = 1.0f;  // multiplies cos and sin (YaRN)
};

struct RopeOptions {
  Tensor q_norm_weight, k_norm_weight;  // [E] or empty: per-head RMS norm before the rotation
  float eps = 0.0f;
};

// Cosines and sines for the T new tokens, whose positions are `step`'s: [T, 2, R / 2].
Tensor RopeAngles(Recording& recording, const RopeTable& rope, const StepBuffer& step, int64_t T);

// Turns queries and keys of the T new tokens by `angles` and appends keys and values to the cache.
// qkv: [T, (H + 2K) * E]. Returns the queries, [T, H * E16].
Tensor RopeAppend(Recording& recording, const Tensor& qkv, const HeadShape& shape,
                  const Tensor& angles, const RopeOptions& options, const StepBuffer& step,
                  const CacheView& cache);

struct AttendOptions {
  float scale = 1.0f;     // of the scores
  float soft_cap = 0.0f;  // > 0: a score s becomes soft_cap * tanh(s / soft_cap)  (Gemma 2)
};

// o[t, h] = softmax(cap(scale * q[t, h] K^T)) V, causal, within the window. Returns [T, H * E].
Tensor Attend(Recording& recording, const Tensor& queries, const HeadShape& shape,
              const AttendOptions& options, const StepBuffer& step, const CacheView& cache);

}  // namespace inference
