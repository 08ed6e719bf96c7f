#include "models/checkpoint.h"

#include "formats/safetensors.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {

namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20;

}  // namespace

Checkpoint OpenCheckpoint(const std::string& path) {
  Checkpoint out;
  out.path = path;
  if (IsDirectory(path)) {
    out.format = CheckpointFormat::kSafetensors;
    out.config = ReadJsonFile(path + "/config.json", kMaxConfigBytes);
    out.tensors = OpenSafetensorsFolder(path);
    return out;
  }
  Gguf gguf = OpenGguf(path);
  out.metadata = std::move(gguf.metadata);
  out.tensors = std::move(gguf.tensors);
  const int64_t parts = out.metadata.FindInt("split.count", 0, UINT16_MAX).value_or(0);
  Require(parts <= 1, Status::kUnsupported,
          "{}: key 'split.count': is {}, expected a model in one file", path, parts);
  return out;
}

}  // namespace inference
