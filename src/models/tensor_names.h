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
  // Of a module inside a block; GGUF's names differ between architectures.
  struct LayerName {
    std::string_view hf, gguf;
  };

  // `layer_names` must outlive it. In a folder the decoder may be part of a larger model:
  // "language_model.model.", "model.language_model."; FORMAT where no embedding table is found.
  TensorNames(const Checkpoint& checkpoint, std::span<const LayerName> layer_names);

  const std::string& embed_tokens() const { return embed_tokens_; }
  const std::string& norm() const { return norm_; }
  const std::string& lm_head() const { return lm_head_; }
  // The weight of module `hf` ("self_attn.q_proj") of block `layer`.
  std::string Layer(int64_t layer, std::string_view hf) const;
  const std::string& layers_prefix() const { return layers_; }  // "model.layers."

 private:
  bool is_gguf_;
  std::span<const LayerName> layer_names_;
  std::string embed_tokens_, norm_, lm_head_, layers_;
};

}  // namespace inference
