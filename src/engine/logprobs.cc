#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace inference {

Logprobs LogprobsOf(std::span<const float> logits, int32_t id, int32_t top) {
  const auto at = [&](int32_t i) { return static_cast<double>(logits[static_cast<size_t>(i)]); };
  const auto largest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  const double log_sum = largest + std::log(sum);

  Logprobs out{at(id) - log_sum, std::vector<int32_t>(logits.size()), {}};
  std::iota(out.ids.begin(), out.ids.end(), 0);
  const auto k = std::min(static_cast<size_t>(top), logits.size());
  std::partial_sort(out.ids.begin(), out.ids.begin() + static_cast<std::ptrdiff_t>(k),
                    out.ids.end(),
                    [&](int32_t a, int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  out.ids.resize(k);
  for (const int32_t i : out.ids) out.logprobs.push_back(at(i) - log_sum);
  return out;
}

}  // namespace inference
