// Llama and models of its shape (SmolLM2, TinyLlama, ...).
#pragma once

#include <memory>

#include "models/checkpoint.h"
#include "models/config_fields.h"

namespace inference {

struct LlamaConfig {
  ModelDims dims;
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  std::optional<bool> tie_word_embeddings;  // GGUF says nothing
};
LlamaConfig ReadLlamaConfig(const Checkpoint& checkpoint);

std::unique_ptr<CausalLm> LoadLlama(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                    const ModelLoadHooks& hooks);

}  // namespace inference
