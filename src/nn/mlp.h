// The feed-forward sub-layer of a transformer block.
#pragma once

#include "nn/lora.h"
#include "ops/matmul.h"

namespace inference {

enum class Activation { kSilu, kGelu };  // gelu in its tanh form

// y = down(act(gate(x)) * up(x))  (Shazeer 2020)
struct GatedMlp {
  PackedMatrix gate_up_proj;        // [2F, D]: blocks of 16 rows alternate, gate then up; or else
  PackedMatrix gate_proj, up_proj;  // [F, D]: of different formats, or F is no multiple of 16
  PackedMatrix down_proj;           // [D, F]
  Activation activation = Activation::kSilu;

  // x: [T, D]. Returns [T, D], + residual where given.
  Tensor operator()(Recording& recording, const PreparedInput& x, const Tensor& residual = {},
                    std::span<const ActiveLora> adapters = {}) const;
};

}  // namespace inference
