// safetensors (github.com/huggingface/safetensors): one file, or the shards of a model folder.
#pragma once

#include <string>
#include <vector>

#include "formats/tensor_set.h"

namespace inference {

TensorSet OpenSafetensors(const std::string& path);
TensorSet OpenSafetensors(File file);

// Which files hold the weights of a model folder, sorted: the shards that
// model.safetensors.index.json names, or else model.safetensors, or else every *.safetensors file.
// Reads the index and opens no shard: one may be missing. Shard names are plain file names.
std::vector<std::string> SafetensorsNames(const Folder& folder);

// These files: none may be missing.
TensorSet OpenSafetensorsFolder(const Folder& folder);

}  // namespace inference
