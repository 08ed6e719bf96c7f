#include "engine/score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

// Makes the session hold exactly `ids`; returns how many of them it held already.
uint64_t HoldPrefix(Session& session, Ids ids, const CancelFlag* cancel) {
  const auto kept = static_cast<size_t>(session.KeepPrefix(ids));
  const auto most = static_cast<size_t>(session.model().prefill_chunk());
  for (size_t done = kept; done < ids.size(); done += most) {
    ThrowIfCancelled(cancel, "score");
    session.Prefill(ids.subspan(done, std::min(most, ids.size() - done)), cancel);
  }
  return kept;
}

void RequireRoom(const Session& session, size_t tokens) {
  Require(tokens <= static_cast<size_t>(session.capacity()), Status::kContextFull,
          "score: {} tokens do not fit, the session's capacity is {}", tokens, session.capacity());
}

// Appends ids[n] to the session and the scores of what follows each to `score`.
void ScoreNext(Session& session, Ids ids, Ids targets, const CancelFlag* cancel, Score& score) {
  const auto most = static_cast<size_t>(session.logits_chunk());
  for (size_t done = 0; done < ids.size(); done += most) {
    ThrowIfCancelled(cancel, "score");
    const size_t n = std::min(most, ids.size() - done);
    const auto rows = session.PrefillScores(ids.subspan(done, n), targets.subspan(done, n), cancel);
    for (size_t i = 0; i < n; ++i) {
      score.logprobs.push_back(rows[i].logprob);
      score.total += rows[i].logprob;
      score.is_greedy = score.is_greedy && rows[i].likeliest == targets[done + i];
    }
  }
}

}  // namespace

Score ScoreContinuation(Session& session, Ids context, Ids continuation, const CancelFlag* cancel) {
  Require(!context.empty(), Status::kArg, "score: the context is empty, want a token at least");
  Require(!continuation.empty(), Status::kArg, "score: the continuation is empty");
  RequireRoom(session, context.size() + continuation.size() - 1);
  session.CheckIds(context);
  session.CheckIds(continuation);
  Score score;
  score.cached_tokens = HoldPrefix(session, context.first(context.size() - 1), cancel);
  std::vector<int32_t> ids = {context.back()};
  ids.insert(ids.end(), continuation.begin(), continuation.end() - 1);
  ScoreNext(session, ids, continuation, cancel, score);
  return score;
}

TextPair SplitText(const Tokenizer& tokenizer, std::string_view prompt, std::string_view completion,
                   const EncodeOptions& options) {
  const std::vector<int32_t> before = tokenizer.Encode(prompt, options);
  const std::vector<int32_t> both =
      tokenizer.Encode(std::string(prompt) + std::string(completion), options);
  const auto differ = std::ranges::mismatch(before, both);
  TextPair out{{both.begin(), differ.in2}, {differ.in2, both.end()}};
  Require(!out.continuation.empty(), Status::kArg,
          "completion: adds no token to the prompt (prompt {}, completion {})", Quote(prompt),
          Quote(completion));
  if (!out.context.empty()) return out;
  const std::optional<int32_t> first = tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
  Require(first.has_value(), Status::kArg,
          "prompt: is empty, and the tokenizer has no token that begins or ends texts");
  out.context = {*first};
  return out;
}

Score ScoreRolling(Session& session, Ids ids, uint64_t window, uint64_t overlap,
                   const CancelFlag* cancel,
                   const std::function<void(uint64_t scored, uint64_t total)>& on_progress) {
  const auto capacity = static_cast<uint64_t>(session.capacity());
  const uint64_t most = window == 0 ? capacity : window;
  Require(most >= 2, Status::kArg, "score: the window is {} tokens, want at least 2", most);
  // The last token of a window is only predicted.
  Require(most - 1 <= capacity, Status::kArg,
          "score: the window is {} tokens, the session's capacity is {}", most, capacity);
  Require(overlap >= 1 && overlap < most, Status::kArg,
          "score: the overlap is {} tokens, want 1..{} (the window less one)", overlap, most - 1);
  session.CheckIds(ids);
  Score score;
  size_t start = 0, scored = 1;  // the first token has no context
  while (scored < ids.size()) {
    const size_t end = std::min(start + static_cast<size_t>(most), ids.size());
    const uint64_t kept = HoldPrefix(session, ids.subspan(start, scored - 1 - start), cancel);
    if (start == 0) score.cached_tokens = kept;
    ScoreNext(session, ids.subspan(scored - 1, end - scored), ids.subspan(scored, end - scored),
              cancel, score);
    if (on_progress) on_progress(end - 1, ids.size() - 1);
    scored = end;
    start = end - static_cast<size_t>(overlap);
  }
  return score;
}

NextTokens PredictNext(Session& session, Ids context, uint64_t top_k, const CancelFlag* cancel) {
  Require(!context.empty(), Status::kArg, "next token: the context is empty");
  Require(top_k >= 1, Status::kArg, "next token: top_k is 0, want at least 1");
  RequireRoom(session, context.size());
  session.CheckIds(context);
  const uint64_t cached = HoldPrefix(session, context.first(context.size() - 1), cancel);
  std::vector<float> logits(static_cast<size_t>(session.model().network().dims().vocab_size));
  session.PrefillLogits(context.last(1), logits, cancel);
  NextTokens out = NextFrom(logits, top_k, session.length() - 1);
  out.cached_tokens = cached;
  return out;
}

NextTokens NextFrom(std::span<const float> logits, uint64_t top_k, int64_t position) {
  NextTokens out;
  const auto k = static_cast<size_t>(std::min<uint64_t>(top_k, logits.size()));
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](int32_t id) { return static_cast<double>(logits[static_cast<size_t>(id)]); };
  const bool finite = std::ranges::none_of(logits, [](float x) { return std::isnan(x); });
  Require(finite, Status::kNumeric, "next token: the logits after position {} are not numbers",
          position);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](int32_t a, int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  const double largest = at(order[0]);
  Require(std::isfinite(largest), Status::kNumeric, "next token: the largest logit is {}", largest);
  double top = 0.0, rest = 0.0, weighted = 0.0;
  for (size_t i = order.size(); i-- > 0;) {  // small ones first
    const double shifted = at(order[i]) - largest, p = std::exp(shifted);
    (i < k ? top : rest) += p;
    if (p > 0.0) weighted += p * shifted;
  }
  const double log_sum = std::log(top + rest);
  out.entropy = log_sum - weighted / (top + rest);
  for (size_t i = 0; i < k; ++i) {
    out.ids.push_back(order[i]);
    out.logprobs.push_back(at(order[i]) - largest - log_sum);
  }
  constexpr double kVanishing = 1e-12;
  if (k == logits.size()) return out;
  const double residual = rest / (top + rest);
  out.tail = residual <= kVanishing ? NextTokens::Tail::kVanishes : NextTokens::Tail::kSome;
  if (out.tail == NextTokens::Tail::kSome) out.tail_logprob = std::log(residual);
  return out;
}

}  // namespace inference
