// Rotary position embedding into the cache, and grouped-query attention over it.
#pragma once

#include "tensor/recording.h"
#include "tensor/step_buffer.h"
#include "util/dtype.h"

namespace inference {

// Keys and values of one layer, of all sequences, in pages of kCacheBlock positions of one sequence
// each (cl/kv_cache.cl).
struct CacheView {
  Buffer keys, values;
  int64_t window = 0;        // a query sees its last `window` positions, itself included; 0 = all
  DType type = DType::kF32;  // or kF16, kQ8_0: keys and values are rounded once, when appended
  int32_t group = 0;         // whose page tables the layer goes by
};
constexpr int64_t kCacheBlock = 64;  // positions a block; scores are merged by block, in order

// Bytes of the keys (or the values) of one layer and so many positions. Heads are padded to 16; the
// last block of a head of kQ8_0 may be a half.
uint64_t CacheBytes(int64_t positions, int64_t kv_heads, int64_t head_dim, DType type);

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

// Cosines and sines for the tokens of the step: [T, 2, R / 2].
Tensor RopeAngles(Recording& recording, const RopeTable& rope, const Step& step);

// Turns queries and keys of the tokens of the step by `angles` and appends keys and values to the
// cache. qkv: [T, (H + 2K) * E]. Returns the queries, [T, H * E16].
Tensor RopeAppend(Recording& recording, const Tensor& qkv, const HeadShape& shape,
                  const Tensor& angles, const RopeOptions& options, const Step& step,
                  const CacheView& cache);

struct AttendOptions {
  float scale = 1.0f;     // of the scores
  float soft_cap = 0.0f;  // > 0: a score s becomes soft_cap * tanh(s / soft_cap)  (Gemma 2)
};

// o[t, h] = softmax(cap(scale * q[t, h] K^T)) V, causal, within its row and the window. Returns [T,
// H * E].
Tensor Attend(Recording& recording, const Tensor& queries, const HeadShape& shape,
              const AttendOptions& options, const Step& step, const CacheView& cache);

}  // namespace inference
