// The attention sub-layer of a transformer block.
#pragma once

#include <vector>

#include "nn/lora.h"
#include "ops/attention.h"
#include "ops/matmul.h"

namespace inference {

// Grouped-query attention over everything cached so far (Ainslie et al. 2023).
struct Attention {
  std::vector<PackedMatrix> qkv_proj;  // together [(H + 2K) E, D]
  PackedMatrix o_proj;                 // [D, H E]
  HeadShape heads;
  RopeOptions qk_norm;  // Qwen 3, Gemma 3: queries and keys are normed per head
  AttendOptions scores;

  // x: [T, D], angles: RopeAngles of the step's T tokens. Appends T keys and values. Returns [T,
  // D], + residual where given.
  Tensor operator()(Recording& recording, const PreparedInput& x, const Tensor& angles,
                    const Step& step, const CacheView& cache, const Tensor& residual = {},
                    std::span<const ActiveLora> adapters = {}) const;
};

}  // namespace inference
