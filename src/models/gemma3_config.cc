#include <algorithm>

#include "models/gemma3.h"
#include "models/tensor_names.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kPattern = 6;  // every sixth layer sees everything
constexpr int64_t kMaxPattern = 512;
constexpr double kMaxScalar = 1e6;  // of query_pre_attn_scalar

std::vector<bool> SlidesByPattern(int64_t layers, int64_t pattern) {
  std::vector<bool> out;
  for (int64_t i = 0; i < layers; ++i) out.push_back((i + 1) % pattern != 0);
  return out;
}

std::vector<bool> ReadSlides(const JsonFields& config, int64_t layers) {
  const Json* types = config.FindArray("layer_types");
  if (types == nullptr) {
    const char* key =
        config.Has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
    return SlidesByPattern(layers, config.FindInt(key, 1, kMaxPattern).value_or(kPattern));
  }
  Require(std::cmp_equal(types->size(), layers), Status::kFormat,
          "{}: layer_types: has {} entries, expected {}, one a layer", config.name(), types->size(),
          layers);
  std::vector<bool> out;
  for (const Json& type : *types) {
    const std::string name = type.is_string() ? type.get<std::string>() : type.dump();
    Require(name == "sliding_attention" || name == "full_attention", Status::kUnsupported,
            "{}: layer_types: entry {} is {}, expected sliding_attention or full_attention",
            config.name(), out.size(), Quote(name));
    out.push_back(name == "sliding_attention");
  }
  return out;
}

void ReadRope(const JsonFields& config, Gemma3Config* out) {
  const auto read = [](const std::optional<JsonFields>& parameters, RopeConfig* rope) {
    if (!parameters) return;
    rope->theta = parameters->FindFloat("rope_theta", kMinTheta, kMaxTheta).value_or(rope->theta);
    rope->scaling = ReadRopeScaling(*parameters);
  };
  if (const auto parameters = config.FindObject("rope_parameters")) {
    read(parameters->FindObject("full_attention"), &out->rope);
    read(parameters->FindObject("sliding_attention"), &out->local_rope);
    return;
  }
  out->rope.theta = config.FindFloat("rope_theta", kMinTheta, kMaxTheta).value_or(out->rope.theta);
  out->local_rope.theta = config.FindFloat("rope_local_base_freq", kMinTheta, kMaxTheta)
                              .value_or(out->local_rope.theta);
  if (const auto scaling = config.FindObject("rope_scaling")) {
    out->rope.scaling = ReadRopeScaling(*scaling);
  }
}

void RefuseSoftCaps(const JsonFields& config) {
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    Require(!config.Has(cap), Status::kUnsupported, "{}: {}: is {}, expected null", config.name(),
            cap, Quote(config.json().at(cap).dump()));
  }
}

// The width of a head, from the first query matrix.
int64_t HeadDimOf(const Checkpoint& checkpoint, const std::string& layers_prefix, int64_t heads) {
  const TensorEntry* q = checkpoint.tensors.Find(layers_prefix + "0.self_attn.q_proj.weight");
  if (q == nullptr || q->shape.size() != 2 || heads == 0) return 256;
  const uint64_t head_dim = q->shape[0] / static_cast<uint64_t>(heads);
  return head_dim >= 1 && head_dim <= 1024 ? static_cast<int64_t>(head_dim) : 256;
}

Gemma3Config FromJson(const JsonFields& config, const Checkpoint& checkpoint,
                      const TensorNames& names) {
  RefuseFlags(config, {"attention_bias", "use_bidirectional_attention"});
  RequireText(config, "hidden_activation", "gelu_pytorch_tanh");
  RefuseSoftCaps(config);
  Gemma3Config out;
  DimDefaults defaults{.heads = 8, .kv_heads = 4, .head_dim = 0, .context_length = 131072};
  const int64_t heads = config.FindInt("num_attention_heads", 1, 1024).value_or(defaults.heads);
  defaults.head_dim = HeadDimOf(checkpoint, names.layers_prefix(), heads);
  out.dims = ReadDims(config, defaults, checkpoint, names.embed_tokens());
  out.rms_norm_eps = config.FindFloat("rms_norm_eps", kMinEps, kMaxEps).value_or(out.rms_norm_eps);
  ReadRope(config, &out);
  out.sliding_window =
      config.FindInt("sliding_window", 1, kMaxCacheLength).value_or(out.sliding_window);
  out.slides = ReadSlides(config, out.dims.num_layers);
  out.query_pre_attn_scalar = config.FindFloat("query_pre_attn_scalar", 1e-6, kMaxScalar)
                                  .value_or(out.query_pre_attn_scalar);
  out.tie_word_embeddings = config.FindBool("tie_word_embeddings").value_or(true);
  return out;
}

Gemma3Config FromGguf(const Checkpoint& checkpoint, const TensorNames& names) {
  constexpr int64_t kLayersOf27B = 62;
  const GgufMetadata& metadata = checkpoint.metadata;
  Gemma3Config out;
  out.dims = ReadGgufDims(checkpoint, names.embed_tokens());
  out.rms_norm_eps =
      GetGgufFloat(metadata, "gemma3.attention.layer_norm_rms_epsilon", kMinEps, kMaxEps);
  out.rope.theta = FindGgufFloat(metadata, "gemma3.rope.freq_base", kMinTheta, kMaxTheta)
                       .value_or(out.rope.theta);
  out.rope.scaling = ReadGgufRopeScaling(metadata, "gemma3");
  out.local_rope.theta = FindGgufFloat(metadata, "gemma3.rope.freq_base_swa", kMinTheta, kMaxTheta)
                             .value_or(out.local_rope.theta);
  out.sliding_window = metadata.GetInt("gemma3.attention.sliding_window", 1, kMaxCacheLength);
  out.slides =
      SlidesByPattern(out.dims.num_layers,
                      metadata.FindInt("gemma3.attention.sliding_window_pattern", 1, kMaxPattern)
                          .value_or(kPattern));
  // GGUF does not carry query_pre_attn_scalar; of all sizes only the 27B's is not the head's width.
  out.query_pre_attn_scalar = out.dims.num_layers == kLayersOf27B
                                  ? static_cast<double>(out.dims.hidden_size) /
                                        static_cast<double>(out.dims.num_attention_heads)
                                  : static_cast<double>(out.dims.head_dim);
  const double cap = metadata.FindFloat("gemma3.final_logit_softcapping").value_or(0);
  Require(cap == 0, Status::kUnsupported,
          "{}: key 'gemma3.final_logit_softcapping': is {}, expected 0", checkpoint.path, cap);
  return out;
}

}  // namespace

Gemma3Config ReadGemma3Config(const Checkpoint& checkpoint) {
  const TensorNames names(checkpoint, {});
  Gemma3Config out;
  if (checkpoint.format == CheckpointFormat::kGguf) {
    out = FromGguf(checkpoint, names);
  } else {
    const JsonFields config(checkpoint.config, checkpoint.path + "/config.json");
    const auto text = config.FindObject("text_config");  // of the multimodal form
    out = FromJson(text ? *text : config, checkpoint, names);
  }
  out.dims.architecture = "gemma3";
  return out;
}

}  // namespace inference
