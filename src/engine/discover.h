// Which checkpoints a folder holds, without opening their weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/quantization_info.h"
#include "models/checkpoint.h"
#include "util/log.h"

namespace inference {

struct FoundModel {
  std::string path;  // absolute
  CheckpointFormat format = CheckpointFormat::kGguf;
  std::string architecture;  // model_type or general.architecture; "" where it could not be read
  QuantizationInfo quantization;
  uint32_t file_count = 0;  // of weights
  uint64_t bytes = 0;       // of these
  std::string reason;       // why it cannot be loaded; "" where nothing speaks against it
};

// `folder` itself first, then its direct children by name: folders with config.json and at least
// one *.safetensors, and *.gguf files, in it and in its folders; a GGUF model in several files
// counts once. Reads config.json, the index of the shards and GGUF headers; safetensors are counted
// and checked by the rule of Folder, not opened. NOT_FOUND or IO where `folder` cannot be listed; a
// child that cannot be is logged and left out.
std::vector<FoundModel> Discover(const std::string& folder, bool allow_symlinks,
                                 const Logger& logger);

}  // namespace inference
