#include "nn/decoder_block.h"

namespace inference {

ResidualStream DecoderBlock::operator()(Recording& recording, const ResidualStream& in,
                                        const Tensor& angles, const Step& step,
                                        const CacheView& cache,
                                        std::span<const ActiveLora> adapters) const {
  const PreparedInput a = PrepareInput(recording, {.x = in.x,
                                                   .norm_weight = attention_norm,
                                                   .delta = in.delta,
                                                   .delta_norm_weight = in.delta_norm,
                                                   .eps = eps});
  const Tensor x = in.delta ? a.sum : in.x;
  if (!attention_output_norm) {
    const Tensor h = attention(recording, a, angles, step, cache, x, adapters);
    const PreparedInput m = PrepareInput(recording, {.x = h, .norm_weight = mlp_norm, .eps = eps});
    return {mlp(recording, m, h, adapters), {}, {}};
  }
  const Tensor attended = attention(recording, a, angles, step, cache, {}, adapters);
  const PreparedInput m = PrepareInput(recording, {.x = x,
                                                   .norm_weight = mlp_norm,
                                                   .delta = attended,
                                                   .delta_norm_weight = attention_output_norm,
                                                   .eps = eps});
  return {m.sum, mlp(recording, m, {}, adapters), mlp_output_norm};
}

}  // namespace inference
