#include "nn/mlp.h"

#include "nn/linear.h"

namespace inference {

Tensor GatedMlp::operator()(Recording& recording, const PreparedInput& x,
                            const Tensor& residual) const {
  const Tensor h = recording.Temp({x.T, gate_up_proj.rows / 2});  // [T, F]
  Project(recording, x, gate_up_proj, activation, {}, h);
  return Linear(recording, PrepareInput(recording, {.x = h}), down_proj, residual);
}

}  // namespace inference
