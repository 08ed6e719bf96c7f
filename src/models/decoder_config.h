// What a decoder-only transformer is, whatever it is called: sizes, norms, rotation, windows, caps.
#pragma once

#include <optional>
#include <vector>

#include "nn/causal_lm.h"
#include "nn/mlp.h"
#include "nn/rope.h"

namespace inference {

struct DecoderConfig {
  ModelDims dims;
  double embed_scale = 1.0;
  double rms_norm_eps = 1e-6;
  float norm_offset = 0.0f;             // added to stored norm weights: Gemma's are w - 1
  bool sub_layer_output_norms = false;  // see DecoderBlock

  bool qk_norm = false;  // queries and keys are normed per head
  RopeConfig rope;
  std::optional<RopeConfig> local_rope;  // of layers with a window, where it differs
  std::vector<int64_t> windows;          // by layer: tokens a query sees, itself included; 0 = all
  double attention_scale = 1.0;          // of the scores
  double attn_logit_softcapping = 0.0;   // 0 = none
  double final_logit_softcapping = 0.0;  // 0 = none
  Activation activation = Activation::kSilu;

  bool q_k_v_bias = false, o_bias = false, mlp_bias = false;
  bool fused_projections = false;  // one stored matrix for q, k and v, one for gate and up
  // Rows of queries and keys alternate between the halves of a head, as llama.cpp stores Llama's.
  bool interleaved_heads = false;
  std::optional<bool> tie_word_embeddings;  // GGUF says nothing
};

}  // namespace inference
