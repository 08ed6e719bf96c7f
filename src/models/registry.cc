// Which architecture a checkpoint is of.
#include <algorithm>
#include <array>
#include <iterator>

#include "models/checkpoint.h"
#include "models/gemma3.h"
#include "models/llama.h"
#include "util/error.h"

namespace inference {

namespace {

struct Architecture {
  std::string_view name;
  std::unique_ptr<CausalLm> (*load)(const Checkpoint&, std::shared_ptr<Device>,
                                    const ModelLoadHooks&);
};

// By model_type of config.json, and by general.architecture of GGUF.
constexpr Architecture kModelTypes[] = {
    {"gemma3", LoadGemma3}, {"gemma3_text", LoadGemma3}, {"llama", LoadLlama}};
constexpr Architecture kGgufArchitectures[] = {{"gemma3", LoadGemma3}, {"llama", LoadLlama}};

const Architecture& Choose(std::span<const Architecture> known, const std::string& wanted,
                           const std::string& where) {
  const auto found = std::ranges::find(known, wanted, &Architecture::name);
  if (found != known.end()) return *found;
  std::vector<std::string_view> names;
  std::ranges::transform(known, std::back_inserter(names), &Architecture::name);
  Fail(Status::kUnsupported, "{}: is {}, expected one of {}", where, Quote(wanted),
       fmt::join(names, ", "));
}

// Fields of Hugging Face's and of MLX's quantised checkpoints.
void RefuseQuantized(const JsonFields& config) {
  for (const char* key : {"quantization_config", "quantization"}) {
    Require(!config.Has(key), Status::kUnsupported,
            "{}: {}: is present, expected weights that are not quantised", config.name(), key);
  }
}

}  // namespace

std::unique_ptr<CausalLm> LoadModel(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                    const ModelLoadHooks& hooks) {
  if (checkpoint.format == CheckpointFormat::kGguf) {
    const std::string& name = checkpoint.metadata.GetString("general.architecture");
    return Choose(kGgufArchitectures, name, checkpoint.path + ": key 'general.architecture'")
        .load(checkpoint, std::move(device), hooks);
  }
  const JsonFields config(checkpoint.config, checkpoint.path + "/config.json");
  const Architecture& architecture =
      Choose(kModelTypes, config.GetString("model_type"), config.name() + ": model_type");
  RefuseQuantized(config);
  if (const auto text = config.FindObject("text_config")) RefuseQuantized(*text);
  return architecture.load(checkpoint, std::move(device), hooks);
}

}  // namespace inference
