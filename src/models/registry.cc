// Which architecture a checkpoint is of.
#include <algorithm>
#include <vector>

#include "models/architecture.h"
#include "models/checkpoint.h"
#include "models/config_fields.h"
#include "models/decoder.h"
#include "models/describe.h"
#include "models/quantization.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr const Architecture* kArchitectures[] = {&kGemma2, &kGemma3, &kLlama, &kMistral,
                                                  &kPhi3,   &kQwen2,  &kQwen3};

// UNSUPPORTED with `where` and the names that `names_of` gives for each.
template <typename NamesOf>
const Architecture& Choose(const std::string& wanted, const std::string& where, NamesOf names_of) {
  std::vector<std::string_view> known;
  for (const Architecture* architecture : kArchitectures) {
    const auto& names = names_of(*architecture);
    if (std::ranges::find(names, wanted) != names.end()) return *architecture;
    known.insert(known.end(), names.begin(), names.end());
  }
  Fail(Status::kUnsupported, "{}: is {}, expected one of {}", where, Quote(wanted),
       fmt::join(known, ", "));
}

JsonFields ConfigOf(const Checkpoint& checkpoint) {
  return {checkpoint.config, checkpoint.path + "/config.json"};
}

const Architecture& ArchitectureOf(const Checkpoint& checkpoint) {
  if (checkpoint.format == CheckpointFormat::kGguf) {
    return Choose(checkpoint.metadata.GetString("general.architecture"),
                  checkpoint.path + ": key 'general.architecture'", [](const Architecture& a) {
                    return std::span(&a.name, a.from_gguf == nullptr ? 0 : 1);
                  });
  }
  const JsonFields config = ConfigOf(checkpoint);
  return Choose(config.GetString("model_type"), config.name() + ": model_type",
                [](const Architecture& a) { return a.model_types; });
}

DecoderConfig ReadConfig(const Architecture& architecture, const ConfigSource& source) {
  DecoderConfig out;
  if (source.checkpoint.format == CheckpointFormat::kGguf) {
    out = architecture.from_gguf(source);
  } else {
    const JsonFields config = ConfigOf(source.checkpoint);
    const auto text = config.FindObject("text_config");  // of a multimodal model
    out = architecture.from_json(text ? *text : config, source);
  }
  out.dims.architecture = architecture.name;
  out.dims.context_length = StretchedContext(out.rope, out.dims.context_length);
  return out;
}

}  // namespace

void CheckSupported(const Checkpoint& checkpoint) {
  ArchitectureOf(checkpoint);
  if (checkpoint.format == CheckpointFormat::kSafetensors) Quantization::Read(ConfigOf(checkpoint));
}

DecoderConfig ReadConfig(const Checkpoint& checkpoint, int64_t context_length) {
  CheckSupported(checkpoint);
  const Architecture& architecture = ArchitectureOf(checkpoint);
  const TensorNames names(checkpoint, architecture.layer_names);
  const DecoderConfig config = ReadConfig(architecture, {checkpoint, names, context_length});
  Require(context_length >= 0 && context_length <= config.dims.context_length, Status::kArg,
          "{}: n_ctx is {}, expected at most {}, what the model was made for", checkpoint.path,
          context_length, config.dims.context_length);
  return config;
}

std::unique_ptr<CausalLm> LoadModel(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                    const ModelLoadHooks& hooks, int64_t context_length) {
  DecoderConfig config = ReadConfig(checkpoint, context_length);
  const TensorNames names(checkpoint, ArchitectureOf(checkpoint).layer_names);
  WeightLoader loader(checkpoint, std::move(device), hooks);
  return LoadDecoder(std::move(config), names, loader);
}

ModelDescription DescribeModel(const Checkpoint& checkpoint, int64_t context_length) {
  const std::unique_ptr<CausalLm> network = LoadModel(checkpoint, nullptr, {}, context_length);
  return {network->dims(), network->cache_specs(), network->stats()};
}

}  // namespace inference
