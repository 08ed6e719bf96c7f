// Qwen 3 (Yang et al. 2025): Llama with per-head norms of queries and keys.
#include "models/architecture.h"
#include "models/config_fields.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RequireText(config, "hidden_act", "silu");
  DecoderConfig out = ReadDecoderConfig(config, source, {.head_dim = 128, .context_length = 32768});
  out.windows = ReadQwenWindows(config, out.dims.num_layers);
  out.q_k_v_bias = out.o_bias = config.FindBool("attention_bias").value_or(false);
  out.qk_norm = true;
  return out;
}

DecoderConfig FromGguf(const ConfigSource& source) {
  DecoderConfig out = ReadGgufDecoderConfig(source);
  out.qk_norm = true;
  return out;
}

constexpr std::string_view kModelTypes[] = {"qwen3"};

}  // namespace

constinit const Architecture kQwen3 = {"qwen3", kModelTypes, kPreNormLayerNames, FromJson,
                                       FromGguf};

}  // namespace inference
