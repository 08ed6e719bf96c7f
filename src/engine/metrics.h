// What requests took: of one, of a session's, of a runtime's.
#pragma once

#include <cstdint>
#include <mutex>

namespace inference {

struct RequestMetrics {
  uint64_t requests = 0;               // ended, in whatever way
  uint64_t cancelled = 0, failed = 0;  // of these
  uint64_t prompt_tokens = 0;          // computed
  uint64_t cached_tokens = 0;          // of prompts, found in the session
  uint64_t generated_tokens = 0;
  uint64_t decoded_tokens = 0;  // generated in decode_ns: each request's but the first
  uint64_t prefill_ns = 0, decode_ns = 0, total_ns = 0;
  uint64_t active_bytes = 0;  // device memory at the end of the last one
  uint64_t peak_bytes = 0;    // its highest in any of them

  RequestMetrics& operator+=(const RequestMetrics& later);
  double prefill_tok_s() const;
  double decode_tok_s() const;
};

double TokensPerSecond(uint64_t tokens, uint64_t ns);  // 0 where no time has passed

// Any thread.
class MetricsSum {
 public:
  void Add(const RequestMetrics& more);
  RequestMetrics Get() const;

 private:
  mutable std::mutex mutex_;
  RequestMetrics sum_;
};

}  // namespace inference
