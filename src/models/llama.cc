// Llama 1 to 3 (Touvron et al. 2023; Grattafiori et al. 2024) and models of its shape: SmolLM2,
// TinyLlama, Yi, DeepSeek-R1-Distill-Llama.
#include "models/architecture.h"
#include "models/config_fields.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RequireText(config, "hidden_act", "silu");
  DecoderConfig out = ReadDecoderConfig(config, source, {.context_length = 2048});
  out.q_k_v_bias = out.o_bias = config.FindBool("attention_bias").value_or(false);
  out.mlp_bias = config.FindBool("mlp_bias").value_or(false);
  return out;
}

DecoderConfig FromGguf(const ConfigSource& source) {
  DecoderConfig out = ReadGgufDecoderConfig(source);
  out.interleaved_heads = true;
  return out;
}

constexpr std::string_view kModelTypes[] = {"llama"};

}  // namespace

constinit const Architecture kLlama = {"llama", kModelTypes, kPreNormLayerNames, FromJson,
                                       FromGguf};

}  // namespace inference
