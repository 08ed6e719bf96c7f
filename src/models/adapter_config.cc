#include "models/adapter_config.h"

#include <algorithm>
#include <cmath>

#include "util/error.h"

namespace inference {

namespace {

constexpr uint64_t kMaxConfigBytes = 4 << 20;
constexpr int64_t kMaxRank = 1 << 16;
constexpr double kMaxAlpha = 1e6;
constexpr double kMlxLmScale = 20.0;  // where lora_parameters has none
constexpr size_t kMaxPatterns = 1 << 14;

// Fields of PEFT's that change what an adapter is, where they are set at all.
constexpr const char* kMustBeUnset[] = {"use_dora",
                                        "modules_to_save",
                                        "lora_bias",
                                        "trainable_token_indices",
                                        "target_parameters",
                                        "layer_replication",
                                        "alora_invocation_tokens",
                                        "use_qalora",
                                        "use_bdlora",
                                        "arrow_config",
                                        "kasa_config",
                                        "monteclora_config",
                                        "velora_config"};
// Starts that leave the base as it is; others subtract the adapter's first value from it.
constexpr const char* kPlainStarts[] = {"gaussian", "eva", "orthogonal", "mica"};

std::string Shown(const Json& value) {
  return Quote(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool IsSet(const Json& value) {
  return !value.is_null() && value != false && !(value.is_structured() && value.empty());
}

void RequireUnset(const JsonFields& config, const char* key) {
  if (!config.Has(key)) return;
  const Json& value = config.json().at(key);
  Require(!IsSet(value), Status::kUnsupported,
          "{}: {}: is {}, expected none: adapters are read that have LoRA matrices alone",
          config.name(), key, Shown(value));
}

void RefuseChangedBase(const JsonFields& config) {
  constexpr const char* kKey = "init_lora_weights";
  if (!config.Has(kKey) || config.json().at(kKey).is_boolean()) return;
  const std::string start = config.GetString(kKey);
  Require(std::ranges::find(kPlainStarts, start) != std::end(kPlainStarts), Status::kUnsupported,
          "{}: {}: is {}: its adapters belong to a base that was changed, too; save it converted "
          "to plain LoRA, whose value is true",
          config.name(), kKey, Quote(start));
}

constexpr const char* kValue = "value";

// An object of numbers by pattern, in the order of the file. `read` gets each as the field kValue.
template <typename T, typename ReadValue>
void ReadPatterns(const JsonFields& config, const OrderedJson& ordered, const char* key,
                  std::vector<std::pair<AdapterPattern, T>>& out, const ReadValue& read) {
  const std::optional<JsonFields> found = config.FindObject(key);
  if (!found) return;
  Require(found->json().size() <= kMaxPatterns, Status::kLimit, "{}: has {} patterns, at most {}",
          found->name(), found->json().size(), kMaxPatterns);
  for (const auto& item : ordered.at(key).items()) {
    const Json value = {{kValue, found->json().at(item.key())}};
    out.emplace_back(
        AdapterPattern(item.key(), AdapterPattern::Match::kEnd, found->name()),
        read(JsonFields(value, fmt::format("{}: {}", found->name(), Quote(item.key())))));
  }
}

template <typename T>
const T* FindMatch(const std::vector<std::pair<AdapterPattern, T>>& patterns,
                   const std::string& module) {
  for (const auto& [pattern, value] : patterns) {
    if (pattern.Matches(module)) return &value;
  }
  return nullptr;
}

bool HasModule(const std::vector<std::string>& names, const std::string& module) {
  return std::ranges::any_of(names, [&](const std::string& name) {
    return module == name || module.ends_with("." + name);
  });
}

AdapterFormat FormatOf(const JsonFields& config) {
  if (config.Has("peft_type")) return AdapterFormat::kPeft;
  for (const char* key : {"lora_parameters", "fine_tune_type", "use_dora"}) {
    if (config.Has(key)) return AdapterFormat::kMlxLm;
  }
  Require(config.Has("rank") || config.Has("alpha"), Status::kFormat,
          "{}: has neither peft_type (PEFT) nor lora_parameters (mlx-lm) nor rank and alpha "
          "(go-mlx)",
          config.name());
  return AdapterFormat::kGoMlx;
}

}  // namespace

const char* NameOf(AdapterFormat format) {
  constexpr const char* kNames[] = {"peft", "mlx-lm", "go-mlx"};
  return kNames[static_cast<size_t>(format)];
}

AdapterConfig::AdapterConfig(const File& file) : path_(file.path()) {
  const std::string text = ReadTextFile(file, kMaxConfigBytes);
  const Json json = ParseJson(text, path_);
  const JsonFields config(json, path_);
  format_ = FormatOf(config);
  switch (format_) {
    case AdapterFormat::kPeft:
      ReadPeft(config, text);
      break;
    case AdapterFormat::kMlxLm:
      ReadMlxLm(config);
      break;
    case AdapterFormat::kGoMlx:
      ReadGoMlx(config);
      break;
  }
}

void AdapterConfig::ReadPeft(const JsonFields& config, std::string_view text) {
  const std::string type = config.GetString("peft_type");
  Require(type == "LORA", Status::kUnsupported, "{}: peft_type: is {}, expected \"LORA\"", path_,
          Quote(type));
  for (const char* key : kMustBeUnset) RequireUnset(config, key);
  RefuseChangedBase(config);
  rank_ = config.GetInt("r", 1, kMaxRank);
  alpha_ = config.GetFloat("lora_alpha", -kMaxAlpha, kMaxAlpha);
  root_of_rank_ = config.FindBool("use_rslora").value_or(false);
  const OrderedJson ordered = ParseOrderedJson(text, path_);
  ReadPatterns(config, ordered, "rank_pattern", ranks_,
               [](const JsonFields& of) { return of.GetInt(kValue, 1, kMaxRank); });
  ReadPatterns(config, ordered, "alpha_pattern", alphas_,
               [](const JsonFields& of) { return of.GetFloat(kValue, -kMaxAlpha, kMaxAlpha); });
  ReadTargets(config);
}

void AdapterConfig::ReadTargets(const JsonFields& config) {
  constexpr const char* kKey = "target_modules";
  if (config.Has(kKey) && config.json().at(kKey).is_string()) {
    const std::string pattern = config.GetString(kKey);
    if (pattern != "all-linear") {
      target_pattern_.emplace(pattern, AdapterPattern::Match::kWhole, path_ + ": " + kKey);
    }
  } else if (const Json* names = config.FindArray(kKey); names != nullptr) {
    for (const Json& name : *names) {
      Require(name.is_string(), Status::kFormat, "{}: {}: holds {}, expected module names", path_,
              kKey, Shown(name));
      targets_.push_back(name.get<std::string>());
    }
  }
  constexpr const char* kLayers = "layers_to_transform";
  if (!config.Has(kLayers)) return;
  const Json& layers = config.json().at(kLayers);
  for (const Json& layer : layers.is_array() ? layers : Json::array({layers})) {
    Require(layer.is_number_integer(), Status::kFormat, "{}: {}: is {}, expected layer numbers",
            path_, kLayers, Shown(layers));
    layers_.push_back(layer.get<int64_t>());
  }
}

void AdapterConfig::ReadMlxLm(const JsonFields& config) {
  const std::string type = config.FindString("fine_tune_type").value_or("lora");
  Require(type == "lora", Status::kUnsupported, "{}: fine_tune_type: is {}, expected \"lora\"",
          path_, Quote(type));
  RequireUnset(config, "use_dora");
  const std::optional<JsonFields> parameters = config.FindObject("lora_parameters");
  Require(parameters.has_value(), Status::kFormat,
          "{}: lora_parameters: is missing, expected an object with rank and scale", path_);
  rank_ = parameters->FindInt("rank", 1, kMaxRank);
  // What stands beside it in older files, alpha, has no part in it since June 2024.
  alpha_ = parameters->FindFloat("scale", -kMaxAlpha, kMaxAlpha).value_or(kMlxLmScale);
}

void AdapterConfig::ReadGoMlx(const JsonFields& config) {
  rank_ = config.GetInt("rank", 1, kMaxRank);
  alpha_ = config.FindFloat("alpha", -kMaxAlpha, kMaxAlpha).value_or(0.0);
  if (alpha_ == 0.0) alpha_ = 2.0 * static_cast<double>(*rank_);  // as go-mlx does
}

void AdapterConfig::RequireTargeted(const std::string& where, const std::string& module,
                                    int64_t layer) const {
  const bool is_targeted = target_pattern_ ? target_pattern_->Matches(module)
                                           : targets_.empty() || HasModule(targets_, module);
  Require(is_targeted, Status::kFormat, "{}: target_modules of {} does not name it", where, path_);
  Require(layers_.empty() || std::ranges::find(layers_, layer) != layers_.end(), Status::kFormat,
          "{}: layers_to_transform of {} does not name layer {}", where, path_, layer);
}

std::optional<int64_t> AdapterConfig::RankOf(const std::string& module) const {
  const int64_t* found = FindMatch(ranks_, module);
  return found == nullptr ? rank_ : *found;
}

double AdapterConfig::ScaleOf(const std::string& module, int64_t rank) const {
  if (format_ == AdapterFormat::kMlxLm) return alpha_;
  const double* found = FindMatch(alphas_, module);
  const double alpha = found == nullptr ? alpha_ : *found, r = static_cast<double>(rank);
  return alpha / (root_of_rank_ ? std::sqrt(r) : r);
}

}  // namespace inference
