// Frequencies of rotary position embeddings.
#pragma once

#include <cstdint>
#include <vector>

namespace inference {

// How a model trained on short texts stretches its frequencies over longer ones; the names are
// those of Hugging Face's configs.
struct RopeScaling {
  enum class Type { kDefault, kLinear, kLlama3, kYarn, kFactors };
  Type type = Type::kDefault;
  double factor = 1.0;
  // kLlama3: wavelengths above original / low are stretched, those below original / high are not.
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // low < high
  // kYarn (Peng et al. 2023): frequencies that turn more than beta_fast times within the original
  // length stay, those that turn less than beta_slow times are stretched.
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;                             // the range between them to whole dimensions
  int64_t original_max_position_embeddings = 8192;  // tokens
  std::vector<double> factors;    // kFactors (LongRoPE): a divisor for each frequency
  double attention_factor = 1.0;  // multiplies cos and sin
};

// The rotation of the first rotary_dim dimensions of a head.
struct RopeConfig {
  double theta = 10000.0;
  int64_t rotary_dim = 0;  // even
  RopeScaling scaling;
};

// inv_freq[i] = theta^(-2i / rotary_dim), scaled: [rotary_dim / 2].  Su et al. 2021, section 3.2.2.
std::vector<float> RopeFrequencies(const RopeConfig& rope);

}  // namespace inference
