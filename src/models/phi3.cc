// Phi-3, Phi-3.5 and Phi-4 (Abdin et al. 2024): Llama with fused projections, LongRoPE in the sizes
// for long texts, and in Phi-4-mini heads that turn in part.
#include "models/architecture.h"
#include "models/config_fields.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RequireText(config, "hidden_act", "silu");
  DecoderConfig out =
      ReadDecoderConfig(config, source, {.context_length = 4096, .rms_norm_eps = 1e-5});
  out.windows =
      ReadWindows(config, out.dims.num_layers, /*default_window=*/0, [](int64_t) { return true; });
  out.fused_projections = true;
  return out;
}

DecoderConfig FromGguf(const ConfigSource& source) {
  const GgufMetadata& metadata = source.checkpoint.metadata;
  DecoderConfig out = ReadGgufDecoderConfig(source);
  const int64_t window =
      metadata.FindInt("phi3.attention.sliding_window", 0, kMaxCacheLength).value_or(0);
  out.windows.assign(out.windows.size(), window);
  out.fused_projections = true;
  return out;
}

constexpr std::string_view kModelTypes[] = {"phi3"};

}  // namespace

constinit const Architecture kPhi3 = {"phi3", kModelTypes, kPreNormLayerNames, FromJson, FromGguf};

}  // namespace inference
