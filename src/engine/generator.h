// Text from a session, a step at a time: prefill in chunks, then one token a step.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "tokenizer/streaming_decoder.h"
#include "util/cancel.h"

namespace inference {

// ARG naming the field, its value and the range that is allowed.
void CheckSampling(const SampleOptions& options);

struct GenerateRequest {
  std::vector<int32_t> prompt;  // ids
  bool whole_context = false;  // the prompt replaces the session's content, keeping what they share
  int64_t max_tokens = 256;
  bool ignore_end = false;  // go on after end-of-text ids
  SampleOptions sampling;
  std::shared_ptr<const CancelFlag> cancel;  // may be null
};

// The values of INF_FINISH_*.
enum class Finish : uint32_t { kNone, kEnd, kLength, kContextFull, kStopped, kCancelled, kError };
const char* FinishName(
    Finish finish);  // "end", "length", "context_full", ...; "unknown" for others

struct GenerateResult {
  Finish finish = Finish::kNone;
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  uint64_t prefill_ns = 0, decode_ns = 0, total_ns = 0;
  uint64_t active_bytes = 0, peak_bytes = 0;
};

struct GenerateEvent {
  enum class Kind { kPrefill, kToken } kind = Kind::kToken;
  int32_t token = -1;
  uint64_t position = 0;  // of the token in the session
  uint64_t step = 0, total = 0;
  std::string text;  // whole code points
};

class Generation {
 public:
  // Checks the request (ARG, CONTEXT_FULL) before the session is touched.
  Generation(std::shared_ptr<Session> session, GenerateRequest request);
  ~Generation();  // counts the request in the session's metrics

  // Fills `event` and returns true; false once the text has ended. Throws CANCELLED, NUMERIC,
  // DEVICE, OOM_DEVICE, and the same again when called again; the session holds what was computed.
  bool Next(GenerateEvent& event);
  void Stop(Finish finish);  // a callback asked to: Next gives nothing more
  GenerateResult result() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace inference
