// What the configs of Gemma 2 and 3 have in common.
#pragma once

#include "models/config_fields.h"

namespace inference {

constexpr double kMaxSoftCap = 1e6;

// All but rotation, windows and caps.
DecoderConfig ReadGemmaConfig(const JsonFields& config, const ConfigSource& source,
                              const DecoderDefaults& defaults);
// GGUF does not carry query_pre_attn_scalar; only the largest size's is not the width of a head.
DecoderConfig ReadGgufGemmaConfig(const ConfigSource& source, int64_t layers_of_largest);

// 0 where the field is null; `otherwise` where it is absent.
double ReadSoftCap(const JsonFields& config, const char* key, double otherwise);

}  // namespace inference
