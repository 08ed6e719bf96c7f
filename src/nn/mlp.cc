#include "nn/mlp.h"

#include "nn/linear.h"
#include "ops/gate.h"

namespace inference {

Tensor GatedMlp::operator()(Recording& recording, const PreparedInput& x, const Tensor& residual,
                            std::span<const ActiveLora> adapters) const {
  const bool silu = activation == Activation::kSilu;
  Tensor h;  // [T, F]
  if (HasLora(adapters, &BlockLora::gate_up_proj)) {
    // The sums wait for what the adapters add; base rows keep their bits.
    Tensor sums = gate_up_proj ? Linear(recording, x, gate_up_proj)
                               : StackedLinear(recording, x, {gate_proj, up_proj});  // [T, 2F]
    AddLora(recording, x, adapters, &BlockLora::gate_up_proj, sums);
    const Epilogue alternating = silu ? Epilogue::kSiluGate : Epilogue::kGeluGate;
    const Epilogue beside = silu ? Epilogue::kMulSilu : Epilogue::kMulGelu;
    h = Gate(recording, sums, gate_up_proj ? alternating : beside);
  } else if (gate_up_proj) {
    h = recording.Temp({x.T, down_proj.cols});
    Project(recording, x, gate_up_proj, h,
            {.epilogue = silu ? Epilogue::kSiluGate : Epilogue::kGeluGate});
  } else {
    h = recording.Temp({x.T, down_proj.cols});
    const Tensor gate = Linear(recording, x, gate_proj);  // [T, F]
    Project(recording, x, up_proj, h,
            {.epilogue = silu ? Epilogue::kMulSilu : Epilogue::kMulGelu, .other = gate});
  }
  const PreparedInput in = PrepareInput(recording, {.x = h});
  const Tensor y = Linear(recording, in, down_proj, residual);
  AddLora(recording, in, adapters, &BlockLora::down_proj, y);
  return y;
}

}  // namespace inference
