#include "models/gemma.h"

#include <cmath>

namespace inference {

namespace {

constexpr double kMaxScalar = 1e6;  // of query_pre_attn_scalar

// The width of a head, from the first query matrix.
int64_t HeadDimOf(const ConfigSource& source, int64_t heads) {
  constexpr int64_t kDefault = 256;
  const TensorEntry* q =
      source.checkpoint.tensors.Find(source.names.layers_prefix() + "0.self_attn.q_proj.weight");
  if (q == nullptr || q->shape.size() != 2) return kDefault;
  const uint64_t head_dim = q->shape[0] / static_cast<uint64_t>(heads);
  return head_dim >= 1 && head_dim <= 1024 ? static_cast<int64_t>(head_dim) : kDefault;
}

void SetGemma(DecoderConfig* config) {
  config->embed_scale = std::sqrt(static_cast<double>(config->dims.hidden_size));
  config->sub_layer_output_norms = true;
  config->activation = Activation::kGelu;
}

}  // namespace

DecoderConfig ReadGemmaConfig(const JsonFields& config, const ConfigSource& source,
                              const DecoderDefaults& defaults) {
  RequireText(config, "hidden_activation", "gelu_pytorch_tanh");
  DecoderDefaults gemma = defaults;
  gemma.heads = 8;
  gemma.kv_heads = 4;
  gemma.head_dim =
      HeadDimOf(source, config.FindInt("num_attention_heads", 1, kMaxHeads).value_or(gemma.heads));
  DecoderConfig out = ReadDecoderConfig(config, source, gemma);
  SetGemma(&out);
  out.norm_offset = 1.0f;
  out.q_k_v_bias = out.o_bias = config.FindBool("attention_bias").value_or(false);
  out.attention_scale =
      1.0 / std::sqrt(config.FindFloat("query_pre_attn_scalar", 1e-6, kMaxScalar).value_or(256.0));
  if (!out.tie_word_embeddings) out.tie_word_embeddings = true;
  return out;
}

DecoderConfig ReadGgufGemmaConfig(const ConfigSource& source, int64_t layers_of_largest) {
  DecoderConfig out = ReadGgufDecoderConfig(source);
  SetGemma(&out);
  if (out.dims.num_layers == layers_of_largest) {
    out.attention_scale = 1.0 / std::sqrt(static_cast<double>(out.dims.hidden_size) /
                                          static_cast<double>(out.dims.num_attention_heads));
  }
  return out;
}

double ReadSoftCap(const JsonFields& config, const char* key, double otherwise) {
  if (!config.json().contains(key)) return otherwise;
  return config.FindFloat(key, 1e-3, kMaxSoftCap).value_or(0.0);
}

}  // namespace inference
