// A checkpoint on disk, opened but not loaded: where its tensors are and what its config says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "device/device.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "formats/tensor_set.h"
#include "nn/causal_lm.h"
#include "util/cancel.h"

namespace inference {

enum class CheckpointFormat { kGguf, kSafetensors };

struct Checkpoint {
  std::string path;
  CheckpointFormat format = CheckpointFormat::kGguf;
  TensorSet tensors;
  GgufMetadata metadata;  // GGUF only
  Json config;            // config.json of a folder; null for GGUF
};

// A GGUF file (of a split one, the first) or a model folder. NOT_FOUND, PATH, IO or FORMAT.
// `allow_symlinks`: see Folder.
Checkpoint OpenCheckpoint(const std::string& path, bool allow_symlinks = false);

// config.json of a model folder. NOT_FOUND, PATH, IO, LIMIT or FORMAT.
Json ReadModelConfig(const Folder& folder);

// All that the config says of the network, as one text; not the tokenizer, nor who made it.
std::string ConfigText(const Checkpoint& checkpoint);

// Fails with FORMAT or UNSUPPORTED as LoadModel would where it does not know the architecture or
// how the weights are quantised. Looks at the config alone, at no tensor.
void CheckSupported(const Checkpoint& checkpoint);

struct ModelLoadHooks {
  const CancelFlag* cancel = nullptr;  // checked between tensors
  // Bytes of weights done, of all; may throw to abort the load.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Picks the architecture by model_type (general.architecture in GGUF), checks the config, loads and
// packs the weights. UNSUPPORTED names an unknown architecture and those that are known.
// context_length: tokens that will be used at most, 0 = as many as the model was made for (ARG
// where it is more); it chooses between the tables of LongRoPE.
std::unique_ptr<CausalLm> LoadModel(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                    const ModelLoadHooks& hooks, int64_t context_length = 0);

}  // namespace inference
