// One JSON object for each generated token, though the text that is left over at the end of a
// generation comes without one: it belongs to the last token.
#pragma once

#include <functional>
#include <optional>

#include "api.h"
#include "json_io.h"

namespace inference::tools {

class TokenLines {
 public:
  struct Options {
    bool has_stops = false;     // text may be held back: every line waits for the next token
    bool has_logprobs = false;  // "logprob", "top_ids" and "top_logprobs" beside each token
  };
  // `print` gets {"token": TEXT, "token_id": ID}. A line waits where its token leaves a code point
  // open.
  TokenLines(const Tokenizer& tokenizer, Options options, std::function<void(const Json&)> print)
      : tokenizer_(tokenizer), options_(options), print_(std::move(print)) {}

  void Add(const inf_event& event);  // of INF_EVENT_TOKEN
  void Flush();                      // what waits, at the end

 private:
  bool LeavesOpen(inf_token id);

  const Tokenizer& tokenizer_;
  const Options options_;
  const std::function<void(const Json&)> print_;
  TextOutput bytes_;
  std::optional<Json> waiting_;
};

// Of an event's ids: the ids, and their log-probabilities, null for a token with none before it.
Json IdsJson(const inf_event& event);
Json LogprobsJson(const inf_event& event);

}  // namespace inference::tools
