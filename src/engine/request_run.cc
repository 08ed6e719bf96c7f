#include "engine/request_run.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

// The request as it is run: nothing new goes on from the last token, which is computed again for
// its logits.
GenerateRequest Completed(GenerateRequest request, const Session& session) {
  if (request.prompt.empty() && !request.whole_context) {
    Require(session.length() > 0, Status::kArg,
            "prompt: is empty, and the session holds no tokens to go on from");
    request.prompt = session.tokens();
    request.whole_context = true;
  }
  Require(!request.prompt.empty(), Status::kArg, "prompt: is empty");
  return request;
}

void CheckOverflow(const GenerateRequest& request, int64_t capacity) {
  Require(capacity >= 2, Status::kArg,
          "overflow: the session's capacity is {}, want 2 or more to drop some of it", capacity);
  Require(*request.keep_head >= 0 && *request.keep_head <= capacity - 2, Status::kArg,
          "overflow: the head is {} tokens, want 0..{} (the session's capacity less 2)",
          *request.keep_head, capacity - 2);
  Require(!request.prompt_logprobs, Status::kArg,
          "overflow: log-probabilities of the prompt want all of it, but tokens may be dropped");
}

}  // namespace

RequestRun::RequestRun(std::shared_ptr<Session> session, GenerateRequest request)
    : session_(std::move(session)),
      state_(session_->model().text()->tokenizer, session_->model().network().dims().vocab_size,
             Completed(std::move(request), *session_)),
      peak_before_(session_->model().device()->memory().peak) {
  const Ids prompt = this->request().prompt;
  session_->CheckIds(prompt);
  if (this->request().adapters) this->request().adapters->CheckModel(session_->model());
  const int64_t held = this->request().whole_context ? 0 : session_->length();
  if (this->request().keep_head) {
    CheckOverflow(this->request(), session_->capacity());
  } else {
    Require(static_cast<int64_t>(prompt.size()) <= session_->capacity() - held,
            Status::kContextFull, "prompt: {} tokens do not fit, the session holds {} of {}",
            prompt.size(), held, session_->capacity());
  }
  result_.prompt_tokens = prompt.size();
}

RequestRun::~RequestRun() {
  const GenerateResult r = result();
  session_->Count({.requests = 1,
                   .cancelled = r.finish == Finish::kCancelled,
                   .failed = r.finish == Finish::kError,
                   .prompt_tokens = prompt_computed_,
                   .cached_tokens = r.cached_tokens,
                   .generated_tokens = r.generated_tokens,
                   .decoded_tokens = r.generated_tokens - std::min<uint64_t>(r.generated_tokens, 1),
                   .prefill_ns = r.prefill_ns,
                   .decode_ns = r.decode_ns,
                   .total_ns = r.total_ns,
                   .active_bytes = r.active_bytes,
                   .peak_bytes = r.peak_bytes});
}

void RequestRun::Begin() {
  begun_ = true;
  if (!request().whole_context) context_ = session_->tokens();
  prompt_begin_ = context_.size();
  context_.insert(context_.end(), request().prompt.begin(), request().prompt.end());
  if (request().adapters) session_->SetAdapters(*request().adapters);
  if (context_.size() > static_cast<size_t>(session_->capacity())) DropTokens();
  if (request().prompt_logprobs) {
    // What comes before the prompt's first token is computed again for the logits after it.
    session_->KeepPrefix(Ids(context_).first(prompt_begin_ == 0 ? 0 : prompt_begin_ - 1));
  } else {
    session_->KeepPrefix(Ids(context_).first(context_.size() - 1));
    result_.cached_tokens = length() - std::min(length(), prompt_begin_);
  }
}

// What others have computed meanwhile.
void RequestRun::TakeCached() {
  const size_t before = std::max(length(), prompt_begin_);
  session_->TakeCached(Ids(context_).first(context_.size() - 1));
  if (restarted_ || state_.generated_tokens() > 0) return;
  result_.cached_tokens += std::max(length(), before) - before;
}

// The context is more than fits. So much is dropped at a time that what is computed again is paid
// for by as many tokens that follow.
void RequestRun::DropTokens() {
  const auto head = static_cast<size_t>(*request().keep_head);
  const size_t tail = (static_cast<size_t>(session_->capacity()) - head + 1) / 2;
  const size_t from = context_.size() - tail;
  if (prompt_begin_ > head) prompt_begin_ = head + std::max(prompt_begin_, from) - from;
  const auto begin = context_.begin();
  context_.erase(begin + static_cast<std::ptrdiff_t>(head),
                 begin + static_cast<std::ptrdiff_t>(from));
  result_.dropped_tokens += from - head;
  ++result_.overflows;
}

// All that was computed, and the token that is next: together they are the context.
void RequestRun::Regather() {
  context_ = session_->tokens();
  context_.push_back(last_);
}

void RequestRun::Restart() {
  if (begun_ && length() >= context_.size()) Regather();
  session_->Reset();
  restarted_ = true;
}

std::optional<RunStep> RequestRun::Next(size_t most) {
  if (ended()) return std::nullopt;
  if (!begun_) Begin();
  if (is_decoding()) {
    if (!is_full()) return RunStep{RunStep::Kind::kSample, Ids(&last_, 1), {}};
    End(Finish::kContextFull);
    return std::nullopt;
  }
  if (length() >= context_.size()) {
    Regather();
    DropTokens();
    session_->KeepPrefix(Ids(context_).first(context_.size() - 1));
  }
  if (!request().prompt_logprobs) TakeCached();
  const Ids left = Ids(context_).subspan(length());
  if (!request().prompt_logprobs || left.size() == 1) {
    const bool all = left.size() <= most;
    return RunStep{
        all ? RunStep::Kind::kSample : RunStep::Kind::kPrefill, all ? left : left.first(most), {}};
  }
  const size_t n = std::min(most, left.size() - 1);
  return RunStep{RunStep::Kind::kScore, left.first(n), left.subspan(1, n)};
}

// The device counts one peak for all its users: it is this request's where it rose meanwhile.
void RequestRun::Count(const RunStep& step, uint64_t ns) {
  (state_.generated_tokens() == 0 ? result_.prefill_ns : result_.decode_ns) += ns;
  if (state_.generated_tokens() == 0) result_.prefill_tokens += step.ids.size();
  if (length() <= context_.size()) prompt_computed_ += step.ids.size();
  const MemoryStats now = session_->model().device()->memory();
  result_.active_bytes = now.active;
  result_.peak_bytes = std::max(result_.peak_bytes, now.active);
  if (now.peak > peak_before_) result_.peak_bytes = std::max(result_.peak_bytes, now.peak);
}

GenerateEvent RequestRun::PrefillEvent(size_t before) const {
  GenerateEvent event;
  event.kind = GenerateEvent::Kind::kPrefill;
  event.position = length();
  event.step = std::max(std::min(length(), context_.size()), prompt_begin_) - prompt_begin_;
  event.total = context_.size() - prompt_begin_;
  if (request().prompt_logprobs && before == 0 && prompt_begin_ == 0) {
    event.ids.push_back(context_[0]);
    event.logprobs.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  return event;
}

void RequestRun::Prefilled(const RunStep& step, uint64_t ns) {
  Count(step, ns);
  events_.push_back(PrefillEvent(length() - step.ids.size()));
}

void RequestRun::Scored(const RunStep& step, std::span<const RowScore> scores, uint64_t ns) {
  Count(step, ns);
  const size_t before = length() - step.ids.size();
  GenerateEvent event = PrefillEvent(before);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (before + 1 + i < prompt_begin_) continue;
    event.ids.push_back(step.targets[i]);
    event.logprobs.push_back(scores[i].logprob);
  }
  events_.push_back(std::move(event));
}

void RequestRun::Sampled(const RunStep& step, int32_t id, std::span<const float> logits,
                         uint64_t ns) {
  Count(step, ns);
  if (length() <= context_.size()) events_.push_back(PrefillEvent(length() - step.ids.size()));
  Require(id != kNoToken, Status::kNumeric,
          "generate: the logits after position {} are not numbers, or all tokens are banned",
          session_->length() - 1);
  last_ = id;
  GenerateEvent event;
  if (state_.Accept(id, logits, event)) {
    event.position = length();
    events_.push_back(std::move(event));
  }
  if (ended()) End(state_.finish());
}

bool RequestRun::TakeEvent(GenerateEvent& event) {
  if (events_.empty()) return false;
  event = std::move(events_.front());
  events_.pop_front();
  if (event.kind == GenerateEvent::Kind::kToken && event.token >= 0) ++delivered_;
  return true;
}

void RequestRun::End(Finish finish) {
  if (result_.finish != Finish::kNone) return;
  state_.End(finish);
  result_.finish = state_.finish();
  result_.total_ns = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count());
  if (finish == Finish::kCancelled || finish == Finish::kError) return;
  GenerateEvent event;
  if (!state_.Flush(event)) return;
  event.position = length();
  events_.push_back(std::move(event));
}

void RequestRun::Drop() {
  state_.DropHeld();
  events_.clear();
}

GenerateResult RequestRun::result() const {
  GenerateResult result = result_;
  result.generated_tokens = delivered_;
  if (result.finish == Finish::kNone) {
    result.total_ns = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count());
  }
  return result;
}

}  // namespace inference
