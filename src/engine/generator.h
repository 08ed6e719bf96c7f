// Text from a session, a step at a time: prefill in chunks, then one token a step.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/request_state.h"
#include "engine/session.h"

namespace inference {

struct GenerateResult {
  Finish finish = Finish::kNone;
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  uint64_t prefill_ns = 0, decode_ns = 0, total_ns = 0;
  uint64_t active_bytes = 0, peak_bytes = 0;
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
