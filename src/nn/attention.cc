#include "nn/attention.h"

#include "nn/linear.h"

namespace inference {

Tensor Attention::operator()(Recording& recording, const PreparedInput& x, const Tensor& angles,
                             const Step& step, const CacheView& cache, const Tensor& residual,
                             std::span<const ActiveLora> adapters) const {
  Tensor qkv = StackedLinear(recording, x, qkv_proj);  // [T, (H + 2K) E]
  AddLora(recording, x, adapters, &BlockLora::qkv_proj, qkv);
  const Tensor q = RopeAppend(recording, qkv, heads, angles, qk_norm, step, cache);
  qkv = {};
  const Tensor o = Attend(recording, q, heads, scores, step, cache);  // [T, H E]
  const PreparedInput in = PrepareInput(recording, {.x = o});
  const Tensor y = Linear(recording, in, o_proj, residual);
  AddLora(recording, in, adapters, &BlockLora::o_proj, y);
  return y;
}

}  // namespace inference
