// A transformer block: attention and a gated MLP around a residual stream.
#pragma once

#include "nn/attention.h"
#include "nn/mlp.h"

namespace inference {

// The residual stream x + Norm(delta), whose sum the next norm makes; without a delta it is x.
struct ResidualStream {
  Tensor x;           // [T, D]
  Tensor delta;       // [T, D]
  Tensor delta_norm;  // [D]
};

// Norm weights are [D]. Without the two of sub-layers' outputs (Llama):
//   h = x + Attn(Norm(x));        y = h + Mlp(Norm(h))
// with them (Gemma 2):
//   h = x + Norm(Attn(Norm(x)));  y = h + Norm(Mlp(Norm(h)))
struct DecoderBlock {
  Tensor attention_norm;
  Attention attention;
  Tensor attention_output_norm;  // both or neither
  Tensor mlp_norm;
  GatedMlp mlp;
  Tensor mlp_output_norm;
  float eps = 0.0f;  // of all norms

  // angles: RopeAngles of the new tokens.
  ResidualStream operator()(Recording& recording, const ResidualStream& in, const Tensor& angles,
                            const StepBuffer& step, const CacheView& cache) const;
};

}  // namespace inference
