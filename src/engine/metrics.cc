#include "engine/metrics.h"

#include <algorithm>

namespace inference {

double TokensPerSecond(uint64_t tokens, uint64_t ns) {
  return ns == 0 ? 0.0 : static_cast<double>(tokens) * 1e9 / static_cast<double>(ns);
}

RequestMetrics& RequestMetrics::operator+=(const RequestMetrics& later) {
  requests += later.requests;
  cancelled += later.cancelled;
  failed += later.failed;
  prompt_tokens += later.prompt_tokens;
  cached_tokens += later.cached_tokens;
  generated_tokens += later.generated_tokens;
  decoded_tokens += later.decoded_tokens;
  prefill_ns += later.prefill_ns;
  decode_ns += later.decode_ns;
  total_ns += later.total_ns;
  active_bytes = later.active_bytes;
  peak_bytes = std::max(peak_bytes, later.peak_bytes);
  return *this;
}

double RequestMetrics::prefill_tok_s() const { return TokensPerSecond(prompt_tokens, prefill_ns); }
double RequestMetrics::decode_tok_s() const { return TokensPerSecond(decoded_tokens, decode_ns); }

void MetricsSum::Add(const RequestMetrics& more) {
  const std::lock_guard lock(mutex_);
  sum_ += more;
}

RequestMetrics MetricsSum::Get() const {
  const std::lock_guard lock(mutex_);
  return sum_;
}

}  // namespace inference
