#include "models/checkpoint.h"

#include "formats/safetensors.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {

Json ReadModelConfig(const Folder& folder) {
  constexpr uint64_t kMaxConfigBytes = 16 << 20;
  return ReadJsonFile(File::OpenIn(folder, "config.json"), kMaxConfigBytes);
}

Checkpoint OpenCheckpoint(const std::string& path, bool allow_symlinks) {
  Checkpoint out;
  out.path = path;
  if (IsDirectory(path)) {
    out.format = CheckpointFormat::kSafetensors;
    const Folder folder(path, allow_symlinks);
    out.config = ReadModelConfig(folder);
    out.tensors = OpenSafetensorsFolder(folder);
    return out;
  }
  Gguf gguf = OpenGguf(path, allow_symlinks);
  out.metadata = std::move(gguf.metadata);
  out.tensors = std::move(gguf.tensors);
  return out;
}

}  // namespace inference
