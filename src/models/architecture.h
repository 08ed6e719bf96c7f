// What an architecture adds to the decoder: how its config is read, and what its tensors are
// called. To add one, write its file, declare it here and list it in registry.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "formats/json.h"
#include "models/checkpoint.h"
#include "models/decoder_config.h"
#include "models/tensor_names.h"

namespace inference {

struct ConfigSource {
  const Checkpoint& checkpoint;
  const TensorNames& names;
  int64_t context_length;  // tokens that will be used at most; 0 = what the model was made for
};

struct Architecture {
  std::string_view name;                          // general.architecture in GGUF, too
  std::span<const std::string_view> model_types;  // of config.json
  std::span<const TensorNames::LayerName> layer_names;
  // FORMAT and UNSUPPORTED name the field. Of a folder: `config` is the part about the text model.
  DecoderConfig (*from_json)(const JsonFields& config, const ConfigSource& source);
  DecoderConfig (*from_gguf)(const ConfigSource& source);  // null: GGUF has no such architecture
};

extern const Architecture kGemma2, kGemma3, kLlama, kMistral, kPhi3, kQwen2, kQwen3;

}  // namespace inference
