// What the tensors of a decoder are called in a checkpoint, by their Hugging Face names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "models/checkpoint.h"

namespace inference {

class TensorNames {
 public:
  // Of a module inside a block: what it does here, and what checkpoints call it.
  struct LayerName {
    std::string_view role, hf, gguf;
  };

  // `layer_names` must outlive it. In a folder the decoder may be part of a larger model:
  // "language_model.model.", "model.language_model."; FORMAT where no embedding table is found.
  TensorNames(const Checkpoint& checkpoint, std::span<const LayerName> layer_names);

  const std::string& embed_tokens() const { return embed_tokens_; }
  const std::string& norm() const { return norm_; }
  const std::string& lm_head() const { return lm_head_; }
  // The weight of the module that is `role` ("q_proj") in block `layer`.
  std::string Layer(int64_t layer, std::string_view role) const;
  const std::string& layers_prefix() const { return layers_; }  // "model.layers."

 private:
  bool is_gguf_;
  std::span<const LayerName> layer_names_;
  std::string embed_tokens_, norm_, lm_head_, layers_;
};

// Of blocks with a norm before each sub-layer.
inline constexpr TensorNames::LayerName kPreNormLayerNames[] = {
    {"attention_norm", "input_layernorm", "attn_norm"},
    {"q_proj", "self_attn.q_proj", "attn_q"},
    {"k_proj", "self_attn.k_proj", "attn_k"},
    {"v_proj", "self_attn.v_proj", "attn_v"},
    {"qkv_proj", "self_attn.qkv_proj", "attn_qkv"},
    {"q_norm", "self_attn.q_norm", "attn_q_norm"},
    {"k_norm", "self_attn.k_norm", "attn_k_norm"},
    {"o_proj", "self_attn.o_proj", "attn_output"},
    {"mlp_norm", "post_attention_layernorm", "ffn_norm"},
    {"gate_proj", "mlp.gate_proj", "ffn_gate"},
    {"up_proj", "mlp.up_proj", "ffn_up"},
    {"gate_up_proj", "mlp.gate_up_proj", "ffn_up"},
    {"down_proj", "mlp.down_proj", "ffn_down"},
};

// Of Gemma's, with a norm after each sub-layer too.
inline constexpr TensorNames::LayerName kGemmaLayerNames[] = {
    {"attention_norm", "input_layernorm", "attn_norm"},
    {"q_proj", "self_attn.q_proj", "attn_q"},
    {"k_proj", "self_attn.k_proj", "attn_k"},
    {"v_proj", "self_attn.v_proj", "attn_v"},
    {"q_norm", "self_attn.q_norm", "attn_q_norm"},
    {"k_norm", "self_attn.k_norm", "attn_k_norm"},
    {"o_proj", "self_attn.o_proj", "attn_output"},
    {"attention_output_norm", "post_attention_layernorm", "post_attention_norm"},
    {"mlp_norm", "pre_feedforward_layernorm", "ffn_norm"},
    {"gate_proj", "mlp.gate_proj", "ffn_gate"},
    {"up_proj", "mlp.up_proj", "ffn_up"},
    {"down_proj", "mlp.down_proj", "ffn_down"},
    {"mlp_output_norm", "post_feedforward_layernorm", "post_ffw_norm"},
};

}  // namespace inference
