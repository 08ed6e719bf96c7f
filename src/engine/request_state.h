// What one request carries through generation, wherever its tokens are computed: sampled ids go in,
// events come out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/adapter.h"
#include "engine/stop_matcher.h"
#include "ops/sample.h"
#include "tokenizer/streaming_decoder.h"
#include "util/cancel.h"

namespace inference {

constexpr int32_t kMaxTopLogprobs = 64;

struct GenerateRequest {
  std::vector<int32_t> prompt;  // ids
  bool whole_context = false;  // the prompt replaces the session's content, keeping what they share
  int64_t max_tokens = 256;
  // Where the context outgrows the session: go on with so many of its first tokens and the newest
  // ones that fill half of the room beside them (rounded up), as a session that is given these.
  // Nothing: CONTEXT_FULL for a prompt, kContextFull for what is generated.
  std::optional<int64_t> keep_head;
  // From this request on, see Session::SetAdapters; nothing: what the session has. Tokens that were
  // computed under others are computed again.
  std::optional<AdapterSet> adapters;
  bool ignore_end = false;  // go on after end-of-text ids
  SampleOptions sampling;
  std::vector<std::string> stops;    // text ends before the first of these
  std::vector<int32_t> stop_tokens;  // text ends before the first of these, also with ignore_end
  // Log-probabilities, of the logits as the model gave them: before penalties, bias and
  // temperature.
  bool logprobs = false;         // of generated tokens
  int32_t top_logprobs = 0;      // and of so many of the likeliest at each; only with `logprobs`
  bool prompt_logprobs = false;  // of the prompt's tokens: what is cached of it is computed again
  std::shared_ptr<const CancelFlag> cancel;  // may be null
};

// The values of INF_FINISH_*.
enum class Finish : uint32_t {
  kNone,
  kEnd,
  kLength,
  kContextFull,
  kStopped,
  kCancelled,
  kError,
  kStopString,
  kStopToken
};
// "end", "length", "context_full", ...; "unknown" for others.
const char* FinishName(Finish finish);

struct GenerateEvent {
  enum class Kind { kPrefill, kToken } kind = Kind::kToken;
  int32_t token = -1;
  uint64_t position = 0;  // of the token in the session
  uint64_t step = 0, total = 0;
  std::string text;  // whole code points
  double logprob = 0.0;
  // kToken: the likeliest, descending. kPrefill: tokens of the prompt that are done now, each after
  // those before it; NaN where there are none.
  std::vector<int32_t> ids;
  std::vector<double> logprobs;
};

// ARG naming the field, its value and the range that is allowed.
void CheckSampling(const SampleOptions& options);

// One caller at a time.
class RequestState {
 public:
  // ARG for what is out of range; `vocab_size` is that of the logits.
  RequestState(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocab_size,
               GenerateRequest request);

  const GenerateRequest& request() const { return request_; }
  Finish finish() const { return finish_; }
  uint64_t generated_tokens() const { return generated_.size(); }  // delivered in events

  // How the next token is to be sampled. Borrowed until the next Accept.
  SampleRow NextRow() const;

  // Takes the id that was sampled next, and the logits it was sampled from, [vocab_size], where the
  // request wants `logprobs`. True where there is an event, whose position is left to the caller;
  // false where the text ended without one.
  bool Accept(int32_t id, std::span<const float> logits, GenerateEvent& event);

  // Ends the text, unless it has ended.
  void End(Finish finish);
  // Once the text has ended: what was still held back, as one event without a token.
  bool Flush(GenerateEvent& event);
  void DropHeld() { flushed_ = true; }  // Flush gives nothing more

 private:
  GenerateEvent NewEvent(int32_t token) const;

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int64_t vocab_size_;
  const GenerateRequest request_;
  StreamingDecoder decoder_;
  StopMatcher stops_;
  std::vector<int32_t> generated_;
  Finish finish_ = Finish::kNone;
  bool flushed_ = false;
};

}  // namespace inference
