// The text part of Gemma 3.
#pragma once

#include <memory>
#include <vector>

#include "models/checkpoint.h"
#include "models/config_fields.h"

namespace inference {

struct Gemma3Config {
  ModelDims dims;
  double rms_norm_eps = 1e-6;
  RopeConfig rope{.theta = 1e6, .scaling = {}};            // of layers that see everything
  RopeConfig local_rope{.theta = 10000.0, .scaling = {}};  // of those with a window
  int64_t sliding_window = 4096;                           // tokens a query sees, itself included
  std::vector<bool> slides;                                // by layer
  double query_pre_attn_scalar = 256;                      // scores are divided by its root
  std::optional<bool> tie_word_embeddings;                 // GGUF says nothing
};
Gemma3Config ReadGemma3Config(const Checkpoint& checkpoint);

std::unique_ptr<CausalLm> LoadGemma3(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                     const ModelLoadHooks& hooks);

}  // namespace inference
