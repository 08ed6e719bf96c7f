#include "engine/request_state.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/logprobs.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr int64_t kVocab = 512;

const std::shared_ptr<const Tokenizer>& TestTokenizer() {
  return TinyModel("llama-gqa")->text()->tokenizer;
}

GenerateRequest Wanted(int64_t max_tokens = 100) {
  return {.prompt = {1}, .max_tokens = max_tokens};
}

RequestState NewState(GenerateRequest request) {
  return {TestTokenizer(), kVocab, std::move(request)};
}

Ids IdsOf(const std::string& text) { return TestTokenizer()->Encode(text, {.add_special = false}); }

// What comes of these ids, one after the other, until the text ends.
struct Heard {
  std::string text;
  Ids ids;  // of events; -1 of one without a token
};
Heard Feed(RequestState& state, const Ids& ids, const std::vector<float>& logits = {}) {
  Heard heard;
  GenerateEvent event;
  const auto hear = [&] {
    heard.text += event.text;
    heard.ids.push_back(event.token);
  };
  for (const int32_t id : ids) {
    if (state.finish() != Finish::kNone) break;
    if (state.Accept(id, logits, event)) hear();
  }
  if (state.finish() != Finish::kNone && state.Flush(event)) hear();
  EXPECT_FALSE(state.finish() != Finish::kNone && state.Flush(event)) << "flushed twice";
  return heard;
}

TEST(RequestStateTest, TellsTheSamplerWhatWasGenerated) {
  RequestState state = NewState(Wanted());
  EXPECT_EQ(state.NextRow().draw, 0u);
  EXPECT_TRUE(state.NextRow().history.empty());
  Feed(state, {300, 301, 300});
  const SampleRow row = state.NextRow();
  EXPECT_EQ(row.draw, 3u);
  EXPECT_EQ(Ids(row.history.begin(), row.history.end()), (Ids{300, 301, 300}));
  EXPECT_EQ(row.options, &state.request().sampling);
  EXPECT_EQ(state.generated_tokens(), 3u);
}

TEST(RequestStateTest, EndIdsAndStopTokensAreNotGiven) {
  const int32_t end = TestTokenizer()->end_ids().at(0);
  RequestState state = NewState(Wanted());
  EXPECT_EQ(Feed(state, {300, end, 301}).ids, Ids{300});
  EXPECT_EQ(state.finish(), Finish::kEnd);
  EXPECT_EQ(state.generated_tokens(), 1u);
  GenerateRequest request = Wanted();
  request.ignore_end = true;
  request.stop_tokens = {7, 301};
  RequestState other = NewState(request);
  EXPECT_EQ(Feed(other, {300, end, 301, 302}).ids, (Ids{300, end}));
  EXPECT_EQ(other.finish(), Finish::kStopToken);
  request.stop_tokens = {end};  // also with ignore_end
  RequestState third = NewState(request);
  Feed(third, {end});
  EXPECT_EQ(third.finish(), Finish::kStopToken);
}

TEST(RequestStateTest, TheLastTokenIsGiven) {
  RequestState state = NewState(Wanted(2));
  EXPECT_EQ(Feed(state, {300, 301, 302}).ids, (Ids{300, 301}));
  EXPECT_EQ(state.finish(), Finish::kLength);
  state.End(Finish::kStopped);
  EXPECT_EQ(state.finish(), Finish::kLength) << "the first reason counts";
}

TEST(RequestStateTest, StopStringsSpanTokens) {
  const Ids ids = IdsOf("The quick brown fox jumps over the lazy dog");
  ASSERT_GT(ids.size(), 5u);
  GenerateRequest request = Wanted();
  request.stops = {"jumped", "own fox j"};
  RequestState state = NewState(request);
  const Heard heard = Feed(state, ids);
  EXPECT_EQ(heard.text, "The quick br");
  EXPECT_EQ(state.finish(), Finish::kStopString);
  EXPECT_EQ(heard.ids.size(), state.generated_tokens());
  EXPECT_LT(heard.ids.size(), ids.size());
  // The tokens of the stop string are in the context: they count as generated.
  EXPECT_EQ(Ids(ids.begin(), ids.begin() + static_cast<long>(heard.ids.size())), heard.ids);
}

TEST(RequestStateTest, WhatWasHeldBackComesAtTheEnd) {
  const Ids ids = IdsOf("The quick brown");
  GenerateRequest request = Wanted(static_cast<int64_t>(ids.size()));
  request.stops = {"brown fox"};
  RequestState state = NewState(request);
  const Heard heard = Feed(state, ids);
  EXPECT_EQ(heard.text, "The quick brown");
  EXPECT_EQ(heard.ids.back(), -1);
  RequestState dropped = NewState(request);
  GenerateEvent event;
  for (const int32_t id : ids) dropped.Accept(id, {}, event);
  dropped.DropHeld();
  EXPECT_FALSE(dropped.Flush(event));
}

TEST(RequestStateTest, Logprobs) {
  std::vector<float> logits(kVocab, 0.0f);
  logits[3] = logits[4] = 2.0f;
  logits[9] = 1.0f;
  const double sum = 509 + 2 * std::exp(2.0) + std::exp(1.0);
  GenerateRequest request = Wanted();
  request.logprobs = true;
  request.top_logprobs = 4;
  RequestState state = NewState(request);
  GenerateEvent event;
  ASSERT_TRUE(state.Accept(9, logits, event));
  EXPECT_NEAR(event.logprob, 1.0 - std::log(sum), 1e-12);
  EXPECT_EQ(event.ids, (Ids{3, 4, 9, 0}));
  EXPECT_NEAR(event.logprobs.at(1), 2.0 - std::log(sum), 1e-12);
  EXPECT_NEAR(event.logprobs.at(3), -std::log(sum), 1e-12);
  ExpectError(Status::kInternal, {"logprobs: 0 logits, want 512"},
              [&] { state.Accept(9, {}, event); });
}

TEST(RequestStateTest, LogprobsOfMaskedLogits) {
  const std::vector<float> logits = {-INFINITY, 1.0f, -INFINITY};
  const Logprobs found = LogprobsOf(logits, 0, 64);
  EXPECT_EQ(found.logprob, -INFINITY);
  EXPECT_EQ(found.ids, (Ids{1, 0, 2}));
  EXPECT_EQ(found.logprobs[0], 0.0);
}

TEST(RequestStateTest, RequestsAreChecked) {
  const auto fails = [](std::initializer_list<std::string_view> parts, const auto& change) {
    GenerateRequest request = Wanted();
    change(request);
    ExpectError(Status::kArg, parts, [&] { NewState(request); });
  };
  fails({"stop token: id is 512", "0..511"}, [](auto& r) { r.stop_tokens = {1, 512}; });
  fails({"logit bias: id is -1"}, [](auto& r) { r.sampling.logit_bias = {{-1, 1.0f}}; });
  fails({"top is 65", "0..64"}, [](auto& r) { r.top_logprobs = 65; });
  fails({"top_p is 2"}, [](auto& r) { r.sampling.top_p = 2.0f; });
  fails({"max_tokens is 0"}, [](auto& r) { r.max_tokens = 0; });
  fails({"stop: is empty"}, [](auto& r) { r.stops = {""}; });
}

}  // namespace
}  // namespace inference
