// The feed-forward sub-layer of a transformer block.
#pragma once

#include "ops/matmul.h"

namespace inference {

// y = down(act(gate(x)) * up(x))  (Shazeer 2020)
struct GatedMlp {
  PackedMatrix gate_up_proj;  // [2F, D]: blocks of 16 rows alternate, gate then up
  PackedMatrix down_proj;     // [D, F]
  Epilogue activation = Epilogue::kSiluGate;

  // x: [T, D]. Returns [T, D], + residual where given.
  Tensor operator()(Recording& recording, const PreparedInput& x,
                    const Tensor& residual = {}) const;
};

}  // namespace inference
