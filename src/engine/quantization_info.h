// How weights are quantised, for people: what a loaded model says, and what a config tells before.
#pragma once

#include <cstdint>
#include <string>

#include "formats/json.h"
#include "formats/tensor_set.h"
#include "tensor/weight_format.h"

namespace inference {

struct QuantizationInfo {
  std::string name;    // "Q4_K", "BF16", "4-bit affine, ..."; "" where it is not told
  uint32_t bits = 0;   // 0 = not quantised, or not told
  uint32_t group = 0;  // weights a scale
};

QuantizationInfo QuantizationOf(const WeightFormat& format);

// The type of most of the bytes; nothing is read.
QuantizationInfo QuantizationOf(const TensorSet& tensors);

// What config.json tells: MLX's "quantization", the "quantization_config" of other tools, else the
// type of the weights. FORMAT.
QuantizationInfo QuantizationOf(const JsonFields& config);

}  // namespace inference
