// One request over one session: what is to be computed next, and the events that follow. Whoever
// computes decides how much goes into a step, alone (Generation) or beside others (Batch).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/request_state.h"
#include "engine/session.h"

namespace inference {

struct GenerateResult {
  Finish finish = Finish::kNone;
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  uint64_t prefill_tokens = 0;                 // computed up to the first generated one
  uint64_t dropped_tokens = 0, overflows = 0;  // of the context, and how often (keep_head)
  uint64_t prefill_ns = 0, decode_ns = 0, total_ns = 0;
  uint64_t active_bytes = 0, peak_bytes = 0;
};

// What is to be computed: `ids` are next in the session.
struct RunStep {
  enum class Kind {
    kPrefill,
    kScore,  // and what the log-probabilities of `targets`, the ids that follow each, are
    kSample  // and what the token after the last one is
  } kind = Kind::kPrefill;
  std::span<const int32_t> ids;
  std::span<const int32_t> targets;
};

// One caller at a time.
class RequestRun {
 public:
  // Checks the request (ARG, CONTEXT_FULL) before the session is touched.
  RequestRun(std::shared_ptr<Session> session, GenerateRequest request);
  ~RequestRun();  // counts the request in the session's metrics

  Session& session() const { return *session_; }
  const GenerateRequest& request() const { return state_.request(); }
  bool ended() const { return state_.finish() != Finish::kNone; }
  // Its next step is one token, or none.
  bool is_decoding() const { return begun_ && length() >= context_.size() && !overflows(); }

  // The next step, of at most `most` tokens; none once the text has ended. Borrowed until the step
  // is done.
  std::optional<RunStep> Next(size_t most);
  SampleRow NextRow() const { return state_.NextRow(); }
  bool wants_logits() const { return request().logprobs; }  // beside the sampled id
  // The step is done and committed to the session; it took `ns`. NUMERIC where there is no number.
  void Prefilled(const RunStep& step, uint64_t ns);
  void Scored(const RunStep& step, std::span<const RowScore> scores, uint64_t ns);
  void Sampled(const RunStep& step, int32_t id, std::span<const float> logits, uint64_t ns);

  // Events that have come up, in order; false where there is none.
  bool TakeEvent(GenerateEvent& event);
  void End(Finish finish);  // nothing more is computed; events that have come up remain
  void Drop();              // nor are they given
  // Drops all that the session holds: the request begins anew, with all that it had computed as its
  // prompt.
  void Restart();
  GenerateResult result() const;

 private:
  using Clock = std::chrono::steady_clock;
  size_t length() const { return session_->tokens().size(); }
  bool is_full() const { return session_->length() == session_->capacity(); }
  bool overflows() const { return request().keep_head.has_value() && is_full(); }
  void Begin();
  void TakeCached();
  void DropTokens();
  void Regather();
  void Count(const RunStep& step, uint64_t ns);
  GenerateEvent PrefillEvent(size_t before) const;

  const std::shared_ptr<Session> session_;
  RequestState state_;
  const Clock::time_point started_ = Clock::now();
  const uint64_t peak_before_;
  GenerateResult result_;
  bool begun_ = false;            // the session has been touched
  bool restarted_ = false;        // what is cached may be what this request has computed
  std::vector<int32_t> context_;  // what it holds once the prompt is computed
  size_t prompt_begin_ = 0;       // where the request's prompt begins in it
  uint64_t prompt_computed_ = 0;
  int32_t last_ = -1;       // sampled, not yet computed
  uint64_t delivered_ = 0;  // tokens
  std::deque<GenerateEvent> events_;
};

}  // namespace inference
