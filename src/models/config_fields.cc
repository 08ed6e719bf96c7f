#include "models/config_fields.h"

#include <cmath>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kMaxLayers = 512, kMaxHidden = 65536, kMaxHeadDim = 1024;
constexpr int64_t kMaxIntermediate = 1 << 20, kMaxVocabSize = 1 << 22;

// What no single field can say. `where` is the file.
void CheckDims(const std::string& where, const ModelDims& dims) {
  Require(dims.num_attention_heads % dims.num_key_value_heads == 0, Status::kFormat,
          "{}: {} attention heads, expected a multiple of the {} key-value heads", where,
          dims.num_attention_heads, dims.num_key_value_heads);
  Require(dims.head_dim % 2 == 0, Status::kFormat, "{}: head_dim: is {}, expected an even number",
          where, dims.head_dim);
}

int64_t DividedHeadDim(const std::string& where, const ModelDims& dims) {
  Require(dims.hidden_size % dims.num_attention_heads == 0, Status::kFormat,
          "{}: hidden_size: is {}, expected a multiple of the {} attention heads (no head_dim)",
          where, dims.hidden_size, dims.num_attention_heads);
  const int64_t head_dim = dims.hidden_size / dims.num_attention_heads;
  Require(head_dim <= kMaxHeadDim, Status::kFormat, "{}: head_dim: is {}, expected integer 1..{}",
          where, head_dim, kMaxHeadDim);
  return head_dim;
}

int64_t VocabSize(const std::string& where, std::optional<int64_t> wanted,
                  const Checkpoint& checkpoint, const std::string& embed_tokens) {
  const TensorEntry* table = checkpoint.tensors.Find(embed_tokens);
  Require(table != nullptr && table->shape.size() == 2 && table->shape[0] >= 1 &&
              table->shape[0] <= static_cast<uint64_t>(kMaxVocabSize),
          Status::kFormat, "{}: tensor {}: expected a table of 1..{} rows", checkpoint.path,
          embed_tokens, kMaxVocabSize);
  const auto rows = static_cast<int64_t>(table->shape[0]);
  Require(wanted.value_or(rows) == rows, Status::kFormat,
          "{}: vocab_size: is {}, expected {}, the rows of {}", where, *wanted, rows, embed_tokens);
  return rows;
}

ModelDims ReadDims(const JsonFields& config, const DecoderDefaults& defaults,
                   const ConfigSource& source) {
  const auto read = [&](const char* key, int64_t max, int64_t otherwise) {
    return otherwise == 0 ? config.GetInt(key, 1, max)
                          : config.FindInt(key, 1, max).value_or(otherwise);
  };
  ModelDims dims;
  dims.hidden_size = read("hidden_size", kMaxHidden, 0);
  dims.num_layers = read("num_hidden_layers", kMaxLayers, 0);
  dims.intermediate_size = read("intermediate_size", kMaxIntermediate, 0);
  dims.num_attention_heads = read("num_attention_heads", kMaxHeads, defaults.heads);
  dims.num_key_value_heads =
      read("num_key_value_heads", kMaxHeads,
           defaults.kv_heads == 0 ? dims.num_attention_heads : defaults.kv_heads);
  dims.context_length = read("max_position_embeddings", kMaxCacheLength, defaults.context_length);
  if (const auto head_dim = config.FindInt("head_dim", 1, kMaxHeadDim)) {
    dims.head_dim = *head_dim;
  } else {
    dims.head_dim =
        defaults.head_dim == 0 ? DividedHeadDim(config.name(), dims) : defaults.head_dim;
  }
  dims.vocab_size = VocabSize(config.name(), config.FindInt("vocab_size", 1, kMaxVocabSize),
                              source.checkpoint, source.names.embed_tokens());
  CheckDims(config.name(), dims);
  return dims;
}

ModelDims ReadGgufDims(const ConfigSource& source) {
  const GgufMetadata& metadata = source.checkpoint.metadata;
  const std::string arch = metadata.GetString("general.architecture") + ".";
  ModelDims dims;
  dims.hidden_size = metadata.GetInt(arch + "embedding_length", 1, kMaxHidden);
  dims.num_layers = metadata.GetInt(arch + "block_count", 1, kMaxLayers);
  dims.intermediate_size = metadata.GetInt(arch + "feed_forward_length", 1, kMaxIntermediate);
  dims.num_attention_heads = metadata.GetInt(arch + "attention.head_count", 1, kMaxHeads);
  dims.num_key_value_heads = metadata.FindInt(arch + "attention.head_count_kv", 1, kMaxHeads)
                                 .value_or(dims.num_attention_heads);
  dims.context_length = metadata.GetInt(arch + "context_length", 1, kMaxCacheLength);
  const auto key_length = metadata.FindInt(arch + "attention.key_length", 1, kMaxHeadDim);
  dims.head_dim = key_length ? *key_length : DividedHeadDim(metadata.path(), dims);
  const auto value_length = metadata.FindInt(arch + "attention.value_length", 1, kMaxHeadDim);
  Require(value_length.value_or(dims.head_dim) == dims.head_dim, Status::kUnsupported,
          "{}: key '{}attention.value_length': is {}, expected {}, the width of a key",
          metadata.path(), arch, *value_length, dims.head_dim);
  dims.vocab_size =
      VocabSize(metadata.path(), metadata.FindInt(arch + "vocab_size", 1, kMaxVocabSize),
                source.checkpoint, source.names.embed_tokens());
  CheckDims(metadata.path(), dims);
  return dims;
}

void RefuseExperts(const GgufMetadata& metadata, const std::string& arch) {
  const std::string key = arch + ".expert_count";
  const int64_t experts = metadata.FindInt(key, 0, INT32_MAX).value_or(0);
  Require(experts == 0, Status::kUnsupported,
          "{}: key '{}': is {}, expected a model without experts", metadata.path(), key, experts);
}

// What follows from the sizes.
void SetDefaults(DecoderConfig* config) {
  config->windows.assign(static_cast<size_t>(config->dims.num_layers), 0);
  config->attention_scale = 1.0 / std::sqrt(static_cast<double>(config->dims.head_dim));
}

}  // namespace

DecoderConfig ReadDecoderConfig(const JsonFields& config, const ConfigSource& source,
                                const DecoderDefaults& defaults) {
  DecoderConfig out;
  out.dims = ReadDims(config, defaults, source);
  SetDefaults(&out);
  out.rms_norm_eps =
      config.FindFloat("rms_norm_eps", kMinEps, kMaxEps).value_or(defaults.rms_norm_eps);
  // Rotations that differ between layers are their architecture's to read.
  const auto parameters = config.FindObject("rope_parameters");
  if (!parameters || !(parameters->Has("full_attention") || parameters->Has("sliding_attention"))) {
    out.rope = ReadRope(config, source, out.dims, defaults.rope_theta);
  }
  out.tie_word_embeddings = config.FindBool("tie_word_embeddings");
  return out;
}

DecoderConfig ReadGgufDecoderConfig(const ConfigSource& source) {
  const GgufMetadata& metadata = source.checkpoint.metadata;
  const std::string& arch = metadata.GetString("general.architecture");
  RefuseExperts(metadata, arch);
  DecoderConfig out;
  out.dims = ReadGgufDims(source);
  SetDefaults(&out);
  out.rms_norm_eps =
      GetGgufFloat(metadata, arch + ".attention.layer_norm_rms_epsilon", kMinEps, kMaxEps);
  out.rope = ReadGgufRope(source, out.dims);
  const auto has = [&](const char* name) {
    return source.checkpoint.tensors.Find(fmt::format("blk.0.{}.bias", name)) != nullptr;
  };
  out.q_k_v_bias = has("attn_q") || has("attn_qkv");
  out.o_bias = has("attn_output");
  out.mlp_bias = has("ffn_down");
  return out;
}

std::vector<int64_t> ReadWindows(const JsonFields& config, int64_t layers, int64_t default_window,
                                 const std::function<bool(int64_t layer)>& slides) {
  const bool is_null = config.json().contains("sliding_window") && !config.Has("sliding_window");
  const int64_t window =
      config.FindInt("sliding_window", 1, kMaxCacheLength).value_or(is_null ? 0 : default_window);
  std::vector<int64_t> out;
  const Json* types = config.FindArray("layer_types");
  if (types == nullptr) {
    for (int64_t i = 0; i < layers; ++i) out.push_back(slides(i) ? window : 0);
    return out;
  }
  Require(std::cmp_equal(types->size(), layers), Status::kFormat,
          "{}: layer_types: has {} entries, expected {}, one a layer", config.name(), types->size(),
          layers);
  for (const Json& type : *types) {
    const std::string name = type.is_string() ? type.get<std::string>() : type.dump();
    Require(name == "sliding_attention" || name == "full_attention", Status::kUnsupported,
            "{}: layer_types: entry {} is {}, expected sliding_attention or full_attention",
            config.name(), out.size(), Quote(name));
    Require(name == "full_attention" || window > 0, Status::kFormat,
            "{}: layer_types: entry {} is sliding_attention, expected a sliding_window with it",
            config.name(), out.size());
    out.push_back(name == "sliding_attention" ? window : 0);
  }
  return out;
}

std::vector<int64_t> ReadQwenWindows(const JsonFields& config, int64_t layers) {
  constexpr int64_t kMaxWindowLayers = 28;
  const bool used = config.FindBool("use_sliding_window").value_or(false);
  const int64_t first =
      config.FindInt("max_window_layers", 0, kMaxCacheLength).value_or(kMaxWindowLayers);
  if (!used) return std::vector<int64_t>(static_cast<size_t>(layers), 0);
  return ReadWindows(config, layers, /*default_window=*/4096,
                     [&](int64_t layer) { return layer >= first; });
}

std::optional<double> FindGgufFloat(const GgufMetadata& metadata, const std::string& key,
                                    double min, double max) {
  const std::optional<double> value = metadata.FindFloat(key);
  Require(!value || (*value >= min && *value <= max), Status::kFormat,
          "{}: key '{}': is {}, expected number {}..{}", metadata.path(), key, value.value_or(0),
          min, max);
  return value;
}

double GetGgufFloat(const GgufMetadata& metadata, const std::string& key, double min, double max) {
  const std::optional<double> value = FindGgufFloat(metadata, key, min, max);
  Require(value.has_value(), Status::kFormat, "{}: key '{}': is missing, expected number {}..{}",
          metadata.path(), key, min, max);
  return *value;
}

void RefuseFlags(const JsonFields& config, std::initializer_list<const char*> flags) {
  for (const char* flag : flags) {
    Require(!config.FindBool(flag).value_or(false), Status::kUnsupported,
            "{}: {}: is true, expected false", config.name(), flag);
  }
}

void RequireText(const JsonFields& config, const char* key, const char* wanted) {
  const std::string value = config.FindString(key).value_or(wanted);
  Require(value == wanted, Status::kUnsupported, "{}: {}: is {}, expected {}", config.name(), key,
          Quote(value), wanted);
}

}  // namespace inference
