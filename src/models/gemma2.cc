// Gemma 2 (Gemma Team 2024): norms before and after each sub-layer, soft caps on scores and logits,
// and a sliding window in every other layer.
#include <cmath>

#include "models/architecture.h"
#include "models/config_fields.h"
#include "models/gemma.h"

namespace inference {

namespace {

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  DecoderConfig out = ReadGemmaConfig(config, source, {.context_length = 8192});
  out.rope = ReadRope(config, source, out.dims, /*default_theta=*/1e4);
  out.windows = ReadWindows(config, out.dims.num_layers, /*default_window=*/4096,
                            [](int64_t layer) { return layer % 2 == 0; });
  out.attn_logit_softcapping = ReadSoftCap(config, "attn_logit_softcapping", 50.0);
  out.final_logit_softcapping = ReadSoftCap(config, "final_logit_softcapping", 30.0);
  return out;
}

DecoderConfig FromGguf(const ConfigSource& source) {
  constexpr int64_t kLayersOf27B = 46;
  const GgufMetadata& metadata = source.checkpoint.metadata;
  DecoderConfig out = ReadGgufGemmaConfig(source, kLayersOf27B);
  const int64_t window = metadata.GetInt("gemma2.attention.sliding_window", 1, kMaxCacheLength);
  for (size_t i = 0; i < out.windows.size(); ++i) out.windows[i] = i % 2 == 0 ? window : 0;
  out.attn_logit_softcapping =
      FindGgufFloat(metadata, "gemma2.attn_logit_softcapping", 0, kMaxSoftCap).value_or(50.0);
  out.final_logit_softcapping =
      FindGgufFloat(metadata, "gemma2.final_logit_softcapping", 0, kMaxSoftCap).value_or(30.0);
  return out;
}

constexpr std::string_view kModelTypes[] = {"gemma2"};

}  // namespace

constinit const Architecture kGemma2 = {"gemma2", kModelTypes, kGemmaLayerNames, FromJson,
                                        FromGguf};

}  // namespace inference
