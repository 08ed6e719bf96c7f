#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <optional>

namespace inference {

namespace {

using Clock = std::chrono::steady_clock;
using Ids = std::span<const int32_t>;

uint64_t NanosSince(Clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

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

}  // namespace

struct Generation::Impl {
  Impl(std::shared_ptr<Session> owner, GenerateRequest wanted)
      : session(std::move(owner)),
        state(session->model().text()->tokenizer, session->model().network().dims().vocab_size,
              Completed(std::move(wanted), *session)) {
    CheckRoom();
    result.prompt_tokens = request().prompt.size();
  }

  const std::shared_ptr<Session> session;
  RequestState state;
  const Clock::time_point started = Clock::now();
  const uint64_t peak_before = session->model().device()->memory().peak;

  GenerateResult result;
  std::vector<int32_t> context;  // what the session holds once the prompt is computed
  size_t prompt_begin = 0;       // where the request's prompt begins in it
  uint64_t prompt_computed = 0;
  bool begun = false;           // the session has been touched
  std::optional<int32_t> next;  // sampled, not yet delivered
  std::vector<float> logits;    // that it was sampled from, where they are wanted
  int32_t last = -1;            // delivered, not yet computed
  std::exception_ptr failure;

  const GenerateRequest& request() const { return state.request(); }
  size_t length() const { return session->tokens().size(); }
  void CheckRoom() const;
  void Begin();
  bool Advance(GenerateEvent& event);
  void PrefillChunk(GenerateEvent& event);
  void ScorePrompt(Ids left, GenerateEvent& event);
  void Decode();
  bool Deliver(GenerateEvent& event);
  bool Flush(GenerateEvent& event);
  void Sample(Ids ids);
  void End(Finish finish);
  void WatchMemory();
};

void Generation::Impl::CheckRoom() const {
  const Ids prompt = request().prompt;
  session->CheckIds(prompt);
  if (request().adapters) session->CheckAdapters(*request().adapters);
  const int64_t held = request().whole_context ? 0 : session->length();
  Require(static_cast<int64_t>(prompt.size()) <= session->capacity() - held, Status::kContextFull,
          "prompt: {} tokens do not fit, the session holds {} of {}", prompt.size(), held,
          session->capacity());
}

void Generation::Impl::Begin() {
  begun = true;
  if (!request().whole_context) context = session->tokens();
  prompt_begin = context.size();
  context.insert(context.end(), request().prompt.begin(), request().prompt.end());
  if (request().adapters) session->SetAdapters(*request().adapters);
  if (request().prompt_logprobs) {
    // What comes before the prompt's first token is computed again for the logits after it.
    session->KeepPrefix(Ids(context).first(prompt_begin == 0 ? 0 : prompt_begin - 1));
  } else if (request().whole_context) {
    session->KeepPrefix(Ids(context).first(context.size() - 1));
    result.cached_tokens = length();
  }
  if (request().logprobs) {
    logits.resize(static_cast<size_t>(session->model().network().dims().vocab_size));
  }
}

bool Generation::Impl::Advance(GenerateEvent& event) {
  if (state.finish() != Finish::kNone) return Flush(event);
  ThrowIfCancelled(request().cancel.get(), "generate");
  const Clock::time_point step_started = Clock::now();
  if (!begun) Begin();
  const bool prefilling = length() < context.size();
  if (prefilling) {
    PrefillChunk(event);
  } else if (!next) {
    Decode();
  }
  const uint64_t ns = NanosSince(step_started);
  (state.generated_tokens() == 0 ? result.prefill_ns : result.decode_ns) += ns;
  WatchMemory();
  if (prefilling) return true;
  return next ? Deliver(event) : Flush(event);
}

void Generation::Impl::PrefillChunk(GenerateEvent& event) {
  const size_t before = length();
  const Ids left = Ids(context).subspan(before);
  const auto most = static_cast<size_t>(session->model().prefill_chunk());
  event = {};
  event.kind = GenerateEvent::Kind::kPrefill;
  if (request().prompt_logprobs) {
    ScorePrompt(left, event);
  } else if (left.size() > most) {
    session->Prefill(left.first(most), request().cancel.get());
  } else {
    Sample(left);
  }
  prompt_computed += length() - before;
  event.position = length();
  event.step = std::max(length(), prompt_begin) - prompt_begin;
  event.total = request().prompt.size();
}

// Computes some of `left` and tells the log-probabilities of the prompt's tokens up to the one that
// follows.
void Generation::Impl::ScorePrompt(Ids left, GenerateEvent& event) {
  const size_t before = length();
  if (before == 0 && prompt_begin == 0) {
    event.ids.push_back(left[0]);
    event.logprobs.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  if (left.size() == 1) return Sample(left);
  const size_t n = std::min(static_cast<size_t>(session->logits_chunk()), left.size() - 1);
  const Ids targets = left.subspan(1, n);
  const auto scores = session->PrefillScores(left.first(n), targets, request().cancel.get());
  for (size_t i = 0; i < n; ++i) {
    if (before + 1 + i < prompt_begin) continue;
    event.ids.push_back(targets[i]);
    event.logprobs.push_back(scores[i].logprob);
  }
}

// Computes the token delivered last, or ends the text where there is no room for it.
void Generation::Impl::Decode() {
  if (session->length() == session->capacity()) return End(Finish::kContextFull);
  Sample(Ids(&last, 1));
}

void Generation::Impl::Sample(Ids ids) {
  const int32_t id =
      session->PrefillAndSample(ids, state.NextRow(), request().cancel.get(), logits);
  Require(id != kNoToken, Status::kNumeric,
          "generate: the logits after position {} are not numbers, or all tokens are banned",
          session->length() - 1);
  next = id;
}

bool Generation::Impl::Deliver(GenerateEvent& event) {
  last = *std::exchange(next, std::nullopt);
  const bool given = state.Accept(last, logits, event);
  event.position = length();
  if (state.finish() != Finish::kNone) End(state.finish());
  return given;
}

bool Generation::Impl::Flush(GenerateEvent& event) {
  if (!state.Flush(event)) return false;
  event.position = length();
  return true;
}

void Generation::Impl::End(Finish finish) {
  state.End(finish);
  result.finish = finish;
  result.total_ns = NanosSince(started);
}

// The device counts one peak for all its users: it is this request's where it rose meanwhile.
void Generation::Impl::WatchMemory() {
  const MemoryStats now = session->model().device()->memory();
  result.active_bytes = now.active;
  result.peak_bytes = std::max(result.peak_bytes, now.active);
  if (now.peak > peak_before) result.peak_bytes = std::max(result.peak_bytes, now.peak);
}

Generation::Generation(std::shared_ptr<Session> session, GenerateRequest request)
    : impl_(std::make_unique<Impl>(std::move(session), std::move(request))) {}

Generation::~Generation() {
  const GenerateResult r = result();
  impl_->session->Count(
      {.requests = 1,
       .cancelled = r.finish == Finish::kCancelled,
       .failed = r.finish == Finish::kError,
       .prompt_tokens = impl_->prompt_computed,
       .cached_tokens = r.cached_tokens,
       .generated_tokens = r.generated_tokens,
       .decoded_tokens = r.generated_tokens - std::min<uint64_t>(r.generated_tokens, 1),
       .prefill_ns = r.prefill_ns,
       .decode_ns = r.decode_ns,
       .total_ns = r.total_ns,
       .active_bytes = r.active_bytes,
       .peak_bytes = r.peak_bytes});
}

bool Generation::Next(GenerateEvent& event) {
  if (impl_->failure) std::rethrow_exception(impl_->failure);
  try {
    return impl_->Advance(event);
  } catch (const Error& error) {
    impl_->failure = std::current_exception();
    impl_->End(error.status() == Status::kCancelled ? Finish::kCancelled : Finish::kError);
    throw;
  } catch (...) {
    impl_->failure = std::current_exception();
    impl_->End(Finish::kError);
    throw;
  }
}

void Generation::Stop(Finish finish) {
  impl_->state.DropHeld();
  impl_->End(finish);
}

GenerateResult Generation::result() const {
  GenerateResult result = impl_->result;
  result.generated_tokens = impl_->state.generated_tokens();
  if (result.finish == Finish::kNone) result.total_ns = NanosSince(impl_->started);
  return result;
}

}  // namespace inference
