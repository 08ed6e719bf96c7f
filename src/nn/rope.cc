#include "nn/rope.h"

#include <cmath>
#include <numbers>

namespace inference {

namespace {

// Llama 3.1: between the two wavelengths the stretch fades from all to none.
double Llama3Frequency(double inv_freq, const RopeScaling& scaling) {
  const double turns =  // within the length that the model was first trained on
      static_cast<double>(scaling.original_max_position_embeddings) * inv_freq /
      (2 * std::numbers::pi);
  if (turns > scaling.high_freq_factor) return inv_freq;
  if (turns < scaling.low_freq_factor) return inv_freq / scaling.factor;
  const double smooth =
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1 - smooth) * inv_freq / scaling.factor + smooth * inv_freq;
}

}  // namespace

std::vector<float> RopeFrequencies(int64_t rotary_dim, double theta, const RopeScaling& scaling) {
  std::vector<float> out;
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    double inv_freq =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim));
    if (scaling.type == RopeScaling::Type::kLinear) inv_freq /= scaling.factor;
    if (scaling.type == RopeScaling::Type::kLlama3) inv_freq = Llama3Frequency(inv_freq, scaling);
    out.push_back(static_cast<float>(inv_freq));
  }
  return out;
}

}  // namespace inference
