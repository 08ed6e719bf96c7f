#include "capi/score.h"

#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

namespace {

static_assert(static_cast<uint32_t>(NextTokens::Tail::kNone) == INF_TAIL_NONE);
static_assert(static_cast<uint32_t>(NextTokens::Tail::kVanishes) == INF_TAIL_VANISHES);
static_assert(static_cast<uint32_t>(NextTokens::Tail::kSome) == INF_TAIL_SOME);

}  // namespace

namespace inference::capi {

std::vector<float> Narrowed(const std::vector<double>& values) {
  std::vector<float> out;
  out.reserve(values.size());
  for (const double value : values) out.push_back(static_cast<float>(value));
  return out;
}

void RequireScoreOuts(const inf_score_desc* out, const inf_floats* per_token) {
  if (out != nullptr) RequireOutStruct(out, "out");
  if (per_token != nullptr) RequireBuffer(per_token, "per_token");
}

void FillScore(const Score& score, inf_score_desc* out, inf_floats* per_token) {
  if (per_token != nullptr) FillBuffer(per_token, Narrowed(score.logprobs));
  if (out == nullptr) return;
  inf_score_desc desc = {};
  desc.is_greedy = score.is_greedy ? 1 : 0;
  desc.tokens = score.logprobs.size();
  desc.cached_tokens = score.cached_tokens;
  desc.total_logprob = score.total;
  FillOut(out, desc);
}

void RequireNextOuts(const inf_tokens* ids, const inf_floats* logprobs, const inf_next_desc* out) {
  if (ids != nullptr) RequireBuffer(ids, "ids");
  if (logprobs != nullptr) RequireBuffer(logprobs, "logprobs");
  if (out != nullptr) RequireOutStruct(out, "out");
}

void FillNext(const NextTokens& next, size_t vocab_size, inf_tokens* ids, inf_floats* logprobs,
              inf_next_desc* out) {
  if (ids != nullptr) FillBuffer(ids, next.ids);
  if (logprobs != nullptr) FillBuffer(logprobs, Narrowed(next.logprobs));
  if (out == nullptr) return;
  inf_next_desc desc = {};
  desc.tail = static_cast<uint32_t>(next.tail);
  desc.tail_logprob = next.tail_logprob;
  desc.entropy = next.entropy;
  desc.vocab_size = vocab_size;
  desc.cached_tokens = next.cached_tokens;
  FillOut(out, desc);
}

}  // namespace inference::capi

extern "C" {

inf_status inf_score(inf_session* session, const inf_token* context, size_t n_context,
                     const inf_token* continuation, size_t n_continuation, inf_cancel* cancel,
                     inf_score_desc* out, inf_floats* per_token, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::span<const int32_t> before = IdsArg(context, n_context, "context");
    const std::span<const int32_t> after = IdsArg(continuation, n_continuation, "continuation");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireScoreOuts(out, per_token);
    FillScore(ScoreContinuation(*held->session, before, after, flag.get()), out, per_token);
  });
}

inf_status inf_score_text(inf_session* session, const char* prompt, size_t prompt_len,
                          const char* completion, size_t completion_len, inf_cancel* cancel,
                          inf_score_desc* out, inf_tokens* ids, inf_floats* per_token,
                          inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::string_view before = TextArg(prompt, prompt_len, "prompt");
    const std::string_view after = TextArg(completion, completion_len, "completion");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireScoreOuts(out, per_token);
    if (ids != nullptr) RequireBuffer(ids, "ids");
    Session& of = *held->session;
    const TextPair pair = SplitText(*of.model().text()->tokenizer, before, after,
                                    {.is_prompt = true, .cancel = flag.get()});
    const Score score = ScoreContinuation(of, pair.context, pair.continuation, flag.get());
    if (ids != nullptr) FillBuffer(ids, pair.continuation);
    FillScore(score, out, per_token);
  });
}

inf_status inf_score_rolling(inf_session* session, const inf_token* ids, size_t n, uint64_t window,
                             uint64_t overlap, inf_cancel* cancel, inf_event_fn fn, void* user,
                             inf_score_desc* out, inf_floats* per_token, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::span<const int32_t> list = IdsArg(ids, n, "ids");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireScoreOuts(out, per_token);
    const auto on_progress = [&](uint64_t scored, uint64_t total) {
      ReportProgress(fn, user, scored, total, "scoring");
    };
    FillScore(ScoreRolling(*held->session, list, window, overlap == 0 ? 1 : overlap, flag.get(),
                           on_progress),
              out, per_token);
  });
}

inf_status inf_next_top(inf_session* session, const inf_token* context, size_t n, uint64_t top_k,
                        inf_cancel* cancel, inf_tokens* ids, inf_floats* logprobs,
                        inf_next_desc* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::span<const int32_t> list = IdsArg(context, n, "context");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireNextOuts(ids, logprobs, out);
    FillNext(PredictNext(*held->session, list, top_k, flag.get()),
             static_cast<size_t>(held->session->model().network().dims().vocab_size), ids, logprobs,
             out);
  });
}

}  // extern "C"
