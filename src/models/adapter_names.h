// What the tensors of LoRA adapters are called, by PEFT and by MLX's two programs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace inference {

// The linear layers of a block that an adapter may change, in the order in which they run.
enum class LoraTarget : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };

std::string_view NameOf(LoraTarget target);  // "q_proj"

struct AdapterTensorName {
  bool is_peft = false;  // otherwise MLX's: mlx-lm or go-mlx
  bool is_a = false;     // A, which reads the input; otherwise B
  int64_t layer = 0;
  std::string module;                   // in the base: "model.layers.0.self_attn.q_proj"
  std::span<const LoraTarget> targets;  // several where the base has them in one matrix: qkv_proj
};

// `where`, "FILE: tensor NAME", begins every message. UNSUPPORTED where the tensor is none of what
// adapters here are made of; FORMAT where the layer is none of the base's `layers`.
AdapterTensorName ParseAdapterTensorName(const std::string& where, std::string_view name,
                                         int64_t layers);

}  // namespace inference
