// Qwen 2 and 2.5 (Yang et al. 2024) and what was distilled into them: Llama with biases on queries,
// keys and values.
#include "models/architecture.h"
#include "models/config_fields.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RequireText(config, "hidden_act", "silu");
  DecoderConfig out = ReadDecoderConfig(config, source, {.context_length = 32768});
  out.windows = ReadQwenWindows(config, out.dims.num_layers);
  out.q_k_v_bias = true;
  return out;
}

constexpr std::string_view kModelTypes[] = {"qwen2"};

}  // namespace

constinit const Architecture kQwen2 = {"qwen2", kModelTypes, kPreNormLayerNames, FromJson,
                                       ReadGgufDecoderConfig};

}  // namespace inference
