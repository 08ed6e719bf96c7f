// Frequencies of rotary position embeddings.
#pragma once

#include <cstdint>
#include <vector>

namespace inference {

// How a model trained on short texts stretches its frequencies over longer ones; the names are
// those of Hugging Face's configs.
struct RopeScaling {
  enum class Type { kDefault, kLinear, kLlama3 };
  Type type = Type::kDefault;
  double factor = 1.0;
  // kLlama3: wavelengths above original / low are stretched, those below original / high are not.
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // low < high
  int64_t original_max_position_embeddings = 8192;       // tokens
};

// inv_freq[i] = theta^(-2i / rotary_dim), scaled: [rotary_dim / 2].  Su et al. 2021, section 3.2.2.
std::vector<float> RopeFrequencies(int64_t rotary_dim, double theta, const RopeScaling& scaling);

}  // namespace inference
