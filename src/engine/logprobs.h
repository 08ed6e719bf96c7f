// Log-probabilities of tokens, from a row of logits on the host; sums are in double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace inference {

// Of softmax(logits [V]), the logits being numbers: ln of the probability of `id`, and the `top`
// likeliest ids (at most V), lower ids first on a tie, with theirs.
struct Logprobs {
  double logprob = 0.0;
  std::vector<int32_t> ids;
  std::vector<double> logprobs;  // of `ids`
};
Logprobs LogprobsOf(std::span<const float> logits, int32_t id, int32_t top);

}  // namespace inference
