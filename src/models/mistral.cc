// Mistral 7B (Jiang et al. 2023): Llama with a sliding window in every layer. In GGUF it is
// "llama".
#include "models/architecture.h"
#include "models/config_fields.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RequireText(config, "hidden_act", "silu");
  DecoderConfig out = ReadDecoderConfig(config, source, {.kv_heads = 8, .context_length = 131072});
  out.windows = ReadWindows(config, out.dims.num_layers, /*default_window=*/4096,
                            [](int64_t) { return true; });
  return out;
}

constexpr std::string_view kModelTypes[] = {"mistral"};

}  // namespace

constinit const Architecture kMistral = {"mistral", kModelTypes, kPreNormLayerNames, FromJson,
                                         nullptr};

}  // namespace inference
