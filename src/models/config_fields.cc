#include "models/config_fields.h"

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kMaxLayers = 512, kMaxHidden = 65536, kMaxHeads = 1024, kMaxHeadDim = 1024;
constexpr int64_t kMaxIntermediate = 1 << 20;
constexpr double kMinFactor = 1e-3, kMaxFactor = 1e6;

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

}  // namespace

ModelDims ReadDims(const JsonFields& config, const DimDefaults& defaults,
                   const Checkpoint& checkpoint, const std::string& embed_tokens) {
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
                              checkpoint, embed_tokens);
  CheckDims(config.name(), dims);
  return dims;
}

ModelDims ReadGgufDims(const Checkpoint& checkpoint, const std::string& embed_tokens) {
  const GgufMetadata& metadata = checkpoint.metadata;
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
  const auto turned = metadata.FindInt(arch + "rope.dimension_count", 1, kMaxHeadDim);
  dims.head_dim = key_length ? *key_length
                  : turned   ? *turned
                             : DividedHeadDim(checkpoint.path, dims);
  for (const char* same : {"rope.dimension_count", "attention.value_length"}) {
    const auto value = metadata.FindInt(arch + same, 1, kMaxHeadDim);
    Require(value.value_or(dims.head_dim) == dims.head_dim, Status::kUnsupported,
            "{}: key '{}{}': is {}, expected {}, the width of a head", checkpoint.path, arch, same,
            *value, dims.head_dim);
  }
  dims.vocab_size =
      VocabSize(checkpoint.path, metadata.FindInt(arch + "vocab_size", 1, kMaxVocabSize),
                checkpoint, embed_tokens);
  CheckDims(checkpoint.path, dims);
  return dims;
}

RopeScaling ReadRopeScaling(const JsonFields& rope) {
  RopeScaling out;
  const char* key = rope.Has("rope_type") ? "rope_type" : "type";
  const std::string type = rope.FindString(key).value_or("default");
  if (type == "default") return out;
  Require(type == "linear" || type == "llama3", Status::kUnsupported,
          "{}: {}: is {}, expected one of default, linear, llama3", rope.name(), key, Quote(type));
  out.type = RopeScaling::Type::kLinear;
  out.factor = rope.GetFloat("factor", kMinFactor, kMaxFactor);
  if (type == "linear") return out;
  out.type = RopeScaling::Type::kLlama3;
  out.low_freq_factor = rope.GetFloat("low_freq_factor", kMinFactor, kMaxFactor);
  out.high_freq_factor = rope.GetFloat("high_freq_factor", kMinFactor, kMaxFactor);
  Require(out.low_freq_factor < out.high_freq_factor, Status::kFormat,
          "{}: low_freq_factor: is {}, expected less than the high_freq_factor {}", rope.name(),
          out.low_freq_factor, out.high_freq_factor);
  out.original_max_position_embeddings =
      rope.GetInt("original_max_position_embeddings", 1, kMaxCacheLength);
  return out;
}

RopeScaling ReadGgufRopeScaling(const GgufMetadata& metadata, const std::string& architecture) {
  RopeScaling out;
  const std::string prefix = architecture + ".rope.scaling.";
  const std::string* type = metadata.FindString(prefix + "type");
  if (type == nullptr || *type == "none") return out;
  Require(*type == "linear", Status::kUnsupported,
          "{}: key '{}type': is {}, expected one of none, linear", metadata.path(), prefix,
          Quote(*type));
  out.type = RopeScaling::Type::kLinear;
  out.factor = GetGgufFloat(metadata, prefix + "factor", kMinFactor, kMaxFactor);
  return out;
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
  const auto value = config.FindString(key);
  Require(value.value_or(wanted) == wanted, Status::kUnsupported, "{}: {}: is {}, expected {}",
          config.name(), key, Quote(*value), wanted);
}

}  // namespace inference
