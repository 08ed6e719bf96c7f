#include "engine/discover.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {

namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "config.json";

// Weights that a load refuses count, too, where they are there.
void CountFile(const std::string& path, FoundModel& model) {
  std::error_code code;
  const uintmax_t bytes = fs::file_size(path, code);
  if (code) return;
  model.bytes += bytes;
  ++model.file_count;
}

// Runs `check`; what it fails with is the reason why a model cannot be loaded. The first one stays:
// checks go in the order of a load.
template <typename Check>
void Explain(FoundModel& model, Check check) {
  try {
    check();
  } catch (const Error& error) {
    if (model.reason.empty()) model.reason = error.what();
  }
}

void AddWeights(const Folder& folder, const std::string& name, FoundModel& model) {
  CountFile(folder.path + "/" + name, model);
  Explain(model, [&] { File::CheckIn(folder, name); });
}

FoundModel DescribeFolder(const Folder& folder) {
  FoundModel model;
  Checkpoint checkpoint;
  model.path = checkpoint.path = folder.path;
  model.format = checkpoint.format = CheckpointFormat::kSafetensors;
  Explain(model, [&] { checkpoint.config = ReadModelConfig(folder); });
  Explain(model, [&] {
    for (const std::string& name : SafetensorsNames(folder)) AddWeights(folder, name, model);
  });
  Explain(model, [&] {
    const JsonFields config(checkpoint.config, folder.path + "/" + kConfigName);
    // Each of them may be wrong on its own.
    Explain(model, [&] { model.architecture = config.FindString("model_type").value_or(""); });
    Explain(model, [&] { model.quantization = QuantizationOf(config); });
    CheckSupported(checkpoint);
  });
  Explain(model, [&] { File::CheckIn(folder, "tokenizer.json"); });
  return model;
}

FoundModel DescribeGguf(const Folder& folder, const std::string& name) {
  FoundModel model;
  model.path = folder.path + "/" + name;
  CountFile(model.path, model);
  Explain(model, [&] {
    Checkpoint checkpoint;
    checkpoint.path = model.path;
    Gguf gguf = OpenGgufFile(model.path);
    checkpoint.metadata = std::move(gguf.metadata);
    const GgufMetadata& metadata = checkpoint.metadata;
    Explain(model, [&] {
      const std::string* architecture = metadata.FindString("general.architecture");
      if (architecture != nullptr) model.architecture = *architecture;
    });
    model.quantization = QuantizationOf(gguf.tensors);
    const std::vector<std::string> parts = GgufPartNames(metadata);
    for (size_t i = 1; i < parts.size(); ++i) AddWeights(folder, parts[i], model);
    CheckSupported(checkpoint);
    Require(metadata.Has("tokenizer.ggml.tokens"), Status::kNotFound,
            "{}: key 'tokenizer.ggml.tokens': is missing, expected a tokenizer", model.path);
  });
  return model;
}

// Whether an earlier part of the same model, of which `seen` are the stems, stands for this one.
bool IsFurtherPart(const std::string& name, std::set<std::string>& seen) {
  const std::optional<GgufPartName> part = ParseGgufPartName(name);
  return part && !seen.insert(fmt::format("{} {}", part->stem, part->count)).second;
}

// What `folder` itself is.
void AddFolder(const Folder& folder, const std::vector<std::string>& names,
               std::vector<FoundModel>& out) {
  const auto is_safetensors = [](const std::string& name) {
    return name.ends_with(".safetensors");
  };
  if (folder.Has(kConfigName) && std::ranges::any_of(names, is_safetensors)) {
    out.push_back(DescribeFolder(folder));
  }
}

void AddGgufFile(const Folder& folder, const std::string& name, std::set<std::string>& seen,
                 std::vector<FoundModel>& out) {
  if (!name.ends_with(".gguf") || !FileExists(folder.path + "/" + name)) return;
  if (!IsFurtherPart(name, seen)) out.push_back(DescribeGguf(folder, name));
}

}  // namespace

std::vector<FoundModel> Discover(const std::string& folder, bool allow_symlinks,
                                 const Logger& logger) {
  std::error_code code;
  const fs::path absolute = fs::weakly_canonical(folder, code);
  Require(!code, Status::kIo, "{}: cannot resolve: {}", folder, code.message());
  const Folder base(absolute.string(), allow_symlinks);
  const std::vector<std::string> names = ListFolder(base.path);
  std::vector<FoundModel> out;
  std::set<std::string> seen;
  AddFolder(base, names, out);
  for (const std::string& name : names) {
    const Folder child((absolute / name).string(), allow_symlinks);
    if (!IsDirectory(child.path)) {
      AddGgufFile(base, name, seen, out);
      continue;
    }
    try {
      const std::vector<std::string> inner = ListFolder(child.path);
      std::set<std::string> seen_inner;
      AddFolder(child, inner, out);
      for (const std::string& file : inner) AddGgufFile(child, file, seen_inner, out);
    } catch (const Error& error) {
      logger.Log(LogLevel::kWarning, "discover", "{}", error.what());
    }
  }
  return out;
}

}  // namespace inference
