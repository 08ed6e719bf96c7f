// Text from a session, a step at a time: prefill in chunks, then one token a step.
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "engine/request_run.h"

namespace inference {

class Generation {
 public:
  // Checks the request (ARG, CONTEXT_FULL) before the session is touched.
  Generation(std::shared_ptr<Session> session, GenerateRequest request);

  // Fills `event` and returns true; false once the text has ended. Throws CANCELLED, NUMERIC,
  // DEVICE, OOM_DEVICE, and the same again when called again; the session holds what was computed.
  bool Next(GenerateEvent& event);
  void Stop(Finish finish);  // a callback asked to: Next gives nothing more
  GenerateResult result() const { return run_.result(); }

 private:
  bool Advance(GenerateEvent& event);
  void Compute(const RunStep& step);

  const std::shared_ptr<Session> session_;
  RequestRun run_;
  std::vector<float> logits_;  // that the last token was sampled from, where they are wanted
  std::exception_ptr failure_;
};

}  // namespace inference
