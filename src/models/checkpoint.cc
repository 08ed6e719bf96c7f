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

std::string ConfigText(const Checkpoint& checkpoint) {
  Json config = checkpoint.config;
  if (checkpoint.format == CheckpointFormat::kGguf) {
    config = Json::object();
    for (const auto& [key, value] : checkpoint.metadata.values()) {
      const bool is_of_network = !key.starts_with("general.") && !key.starts_with("tokenizer.") &&
                                 !key.starts_with("split.");
      if (is_of_network || key == "general.architecture") {
        std::visit([&](const auto& of_type) { config[key] = of_type; }, value);
      }
    }
  }
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace inference
