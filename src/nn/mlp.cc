#include "nn/mlp.h"

#include "nn/linear.h"

namespace inference {

Tensor GatedMlp::operator()(Recording& recording, const PreparedInput& x,
                            const Tensor& residual) const {
  const bool silu = activation == Activation::kSilu;
  const Tensor h = recording.Temp({x.T, down_proj.cols});  // [T, F]
  if (gate_up_proj) {
    Project(recording, x, gate_up_proj, h,
            {.epilogue = silu ? Epilogue::kSiluGate : Epilogue::kGeluGate});
  } else {
    const Tensor gate = Linear(recording, x, gate_proj);  // [T, F]
    Project(recording, x, up_proj, h,
            {.epilogue = silu ? Epilogue::kMulSilu : Epilogue::kMulGelu, .other = gate});
  }
  return Linear(recording, PrepareInput(recording, {.x = h}), down_proj, residual);
}

}  // namespace inference
