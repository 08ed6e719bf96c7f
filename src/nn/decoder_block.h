// A transformer block: attention and a gated MLP around a residual stream.
#pragma once

#include "nn/attention.h"
#include "nn/mlp.h"
#include "nn/residual_stream.h"

namespace inference {

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

  // angles: RopeAngles of the step's tokens.
  ResidualStream operator()(Recording& recording, const ResidualStream& in, const Tensor& angles,
                            const Step& step, const CacheView& cache,
                            std::span<const ActiveLora> adapters = {}) const;
};

}  // namespace inference
