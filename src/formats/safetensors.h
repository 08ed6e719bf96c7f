// safetensors (github.com/huggingface/safetensors): one file, or the shards of a model folder.
#pragma once

#include <string>

#include "formats/tensor_set.h"

namespace inference {

TensorSet OpenSafetensors(const std::string& path);

// Of a model folder: the shards that model.safetensors.index.json names, or else model.safetensors,
// or else every *.safetensors file. Shard names must be plain file names in `folder`.
TensorSet OpenSafetensorsFolder(const Folder& folder);

}  // namespace inference
