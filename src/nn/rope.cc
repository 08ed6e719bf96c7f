#include "nn/rope.h"

#include <algorithm>
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

// YaRN: how much of frequency i is stretched, from 0 to 1 over a range of dimensions.
double YarnRamp(int64_t i, const RopeConfig& rope) {
  const auto dim = static_cast<double>(rope.rotary_dim);
  const RopeScaling& scaling = rope.scaling;
  // The dimension that turns so often within the original length.
  const auto dimension = [&](double turns) {
    return dim *
           std::log(static_cast<double>(scaling.original_max_position_embeddings) /
                    (turns * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = dimension(scaling.beta_fast), high = dimension(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  return std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
}

}  // namespace

std::vector<float> RopeFrequencies(const RopeConfig& rope) {
  const RopeScaling& scaling = rope.scaling;
  std::vector<float> out;
  for (int64_t i = 0; i < rope.rotary_dim / 2; ++i) {
    double inv_freq =
        std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rope.rotary_dim));
    switch (scaling.type) {
      case RopeScaling::Type::kDefault:
        break;
      case RopeScaling::Type::kLinear:
        inv_freq /= scaling.factor;
        break;
      case RopeScaling::Type::kLlama3:
        inv_freq = Llama3Frequency(inv_freq, scaling);
        break;
      case RopeScaling::Type::kYarn: {
        const double ramp = YarnRamp(i, rope);
        inv_freq = inv_freq / scaling.factor * ramp + inv_freq * (1 - ramp);
        break;
      }
      case RopeScaling::Type::kFactors:
        inv_freq /= scaling.factors[static_cast<size_t>(i)];
        break;
    }
    out.push_back(static_cast<float>(inv_freq));
  }
  return out;
}

}  // namespace inference
