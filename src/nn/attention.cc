#include "nn/attention.h"

#include "nn/linear.h"

namespace inference {

Tensor Attention::operator()(Recording& recording, const PreparedInput& x, const Tensor& angles,
                             const Step& step, const CacheView& cache,
                             const Tensor& residual) const {
  Tensor qkv = StackedLinear(recording, x, qkv_proj);  // [T, (H + 2K) E]
  const Tensor q = RopeAppend(recording, qkv, heads, angles, qk_norm, step, cache);
  qkv = {};
  const Tensor o = Attend(recording, q, heads, scores, step, cache);  // [T, H E]
  return Linear(recording, PrepareInput(recording, {.x = o}), o_proj, residual);
}

}  // namespace inference
