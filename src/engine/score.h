// Log-probabilities of given text under a model. All of these take the whole context: what the
// session holds of it already is not computed again, the rest of the session is dropped, so
// completions of one prefix share it. Afterwards the session holds the tokens that were computed.
#pragma once

#include <functional>

#include "engine/session.h"

namespace inference {

struct Score {
  std::vector<double> logprobs;  // natural logarithms
  double total = 0.0;
  bool is_greedy = true;       // every token is the likeliest one where it stands
  uint64_t cached_tokens = 0;  // of the context, already in the session
};

// Of `continuation` after `context`, neither empty. CONTEXT_FULL where both but the last token do
// not fit.
Score ScoreContinuation(Session& session, std::span<const int32_t> context,
                        std::span<const int32_t> continuation, const CancelFlag* cancel);

// A prompt and its completion as ids: what the ids of both have beyond those they share with the
// prompt's. The context of an empty prompt is the begin-of-text or else the end-of-text token.
// ARG where the completion adds no token, or where there is neither.
struct TextPair {
  std::vector<int32_t> context, continuation;
};
TextPair SplitText(const Tokenizer& tokenizer, std::string_view prompt, std::string_view completion,
                   const EncodeOptions& options = {});

// Of every token of `ids` but the first. Text longer than `window` (0: the session's capacity) is
// scored in windows of so many tokens, of which the first `overlap` (1..window - 1) repeat the
// window before as context. `on_progress`, where given, hears how many are scored.
Score ScoreRolling(Session& session, std::span<const int32_t> ids, uint64_t window,
                   uint64_t overlap, const CancelFlag* cancel,
                   const std::function<void(uint64_t scored, uint64_t total)>& on_progress);

// What comes next.
struct NextTokens {
  std::vector<int32_t> ids;  // the likeliest, in descending order, lower ids first on a tie
  std::vector<double> logprobs;
  enum class Tail {
    kNone,
    kVanishes,
    kSome
  } tail = Tail::kNone;       // of the tokens that are not among them
  double tail_logprob = 0.0;  // kSome: ln of their probability; kVanishes: it is at most 1e-12
  double entropy = 0.0;       // nats, of the whole distribution
  uint64_t cached_tokens = 0;
};

// After `context`, not empty; top_k >= 1, at most the vocabulary counts.
NextTokens PredictNext(Session& session, std::span<const int32_t> context, uint64_t top_k,
                       const CancelFlag* cancel);
// From a row of logits. NUMERIC where they are not numbers; `position` is for the message.
NextTokens NextFrom(std::span<const float> logits, uint64_t top_k, int64_t position);

}  // namespace inference
