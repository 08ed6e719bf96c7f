// The text part of Gemma 3 (Gemma Team 2025): Gemma 2 with per-head norms of queries and keys in
// place of soft caps, and five layers with a sliding window to each that sees everything.
#include "models/architecture.h"
#include "models/config_fields.h"
#include "models/gemma.h"

namespace inference {

namespace {

constexpr int64_t kPattern = 6;  // every sixth layer sees everything
constexpr int64_t kMaxPattern = 512;
constexpr double kTheta = 1e6, kLocalTheta = 1e4;

DecoderConfig FromJson(const JsonFields& config, const ConfigSource& source) {
  RefuseFlags(config, {"use_bidirectional_attention"});
  DecoderConfig out = ReadGemmaConfig(config, source, {.context_length = 131072});
  out.qk_norm = true;
  if (const auto parameters = config.FindObject("rope_parameters")) {
    out.rope = ReadRope(config, parameters->FindObject("full_attention"), source, out.dims, kTheta);
    out.local_rope = ReadRope(config, parameters->FindObject("sliding_attention"), source, out.dims,
                              kLocalTheta);
  } else {
    out.rope = ReadRope(config, source, out.dims, kTheta);
    out.local_rope = RopeConfig{
        config.FindFloat("rope_local_base_freq", kMinTheta, kMaxTheta).value_or(kLocalTheta),
        out.dims.head_dim,
        {}};
  }
  const char* key =
      config.Has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
  const int64_t pattern = config.FindInt(key, 1, kMaxPattern).value_or(kPattern);
  out.windows = ReadWindows(config, out.dims.num_layers, /*default_window=*/4096,
                            [&](int64_t layer) { return (layer + 1) % pattern != 0; });
  out.attn_logit_softcapping = ReadSoftCap(config, "attn_logit_softcapping", 0.0);
  out.final_logit_softcapping = ReadSoftCap(config, "final_logit_softcapping", 0.0);
  return out;
}

DecoderConfig FromGguf(const ConfigSource& source) {
  constexpr int64_t kLayersOf27B = 62;
  const GgufMetadata& metadata = source.checkpoint.metadata;
  DecoderConfig out = ReadGgufGemmaConfig(source, kLayersOf27B);
  out.qk_norm = true;
  out.rope.theta =
      FindGgufFloat(metadata, "gemma3.rope.freq_base", kMinTheta, kMaxTheta).value_or(kTheta);
  out.local_rope =
      RopeConfig{FindGgufFloat(metadata, "gemma3.rope.freq_base_swa", kMinTheta, kMaxTheta)
                     .value_or(kLocalTheta),
                 out.dims.head_dim,
                 {}};
  const int64_t window = metadata.GetInt("gemma3.attention.sliding_window", 1, kMaxCacheLength);
  const int64_t pattern =
      metadata.FindInt("gemma3.attention.sliding_window_pattern", 1, kMaxPattern)
          .value_or(kPattern);
  for (size_t i = 0; i < out.windows.size(); ++i) {
    out.windows[i] = (static_cast<int64_t>(i) + 1) % pattern == 0 ? 0 : window;
  }
  out.final_logit_softcapping =
      FindGgufFloat(metadata, "gemma3.final_logit_softcapping", 0, kMaxSoftCap).value_or(0.0);
  return out;
}

constexpr std::string_view kModelTypes[] = {"gemma3", "gemma3_text"};

}  // namespace

constinit const Architecture kGemma3 = {"gemma3", kModelTypes, kGemmaLayerNames, FromJson,
                                        FromGguf};

}  // namespace inference
