// How the matrices of a model folder are quantised, by the "quantization" block of its config.json
// (MLX: mlx_lm.utils.load_model).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "formats/json.h"

namespace inference {

enum class QuantMode { kAffine, kMxfp4 };

struct QuantScheme {
  QuantMode mode = QuantMode::kAffine;
  int bits = 4;    // kAffine: 2, 3, 4, 5, 6 or 8; kMxfp4: 4
  int group = 64;  // columns; kAffine: 32, 64 or 128; kMxfp4: 32

  bool operator==(const QuantScheme&) const = default;
};

// What the config says; whether a module is quantised at all, its tensors say.
class Quantization {
 public:
  // Of a config, or of a config without such a block. FORMAT or UNSUPPORTED names file and field,
  // and the method where it is another one (GPTQ, AWQ, bitsandbytes, fp8, ...).
  static Quantization Read(const JsonFields& config);

  // Of most modules; nothing where the config has no block.
  const std::optional<QuantScheme>& scheme() const { return scheme_; }
  // Of one module ("model.layers.0.mlp.down_proj"); nothing: its weights are plain.
  const std::optional<QuantScheme>& SchemeOf(std::string_view module) const;

 private:
  std::optional<QuantScheme> scheme_;
  std::map<std::string, std::optional<QuantScheme>, std::less<>> modules_;  // those that differ
};

}  // namespace inference
