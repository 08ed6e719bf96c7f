#include "engine/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "engine/score.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"
#include "util/utf8.h"

namespace inference {
namespace {

using Kind = GenerateEvent::Kind;

const Ids kPrompt = {480, 350, 367, 370, 368};  // "The quick brown fox"

std::shared_ptr<Session> NewSession(int64_t capacity = 0, int64_t prefill_chunk = 256) {
  return std::make_shared<Session>(TinyModel("llama-gqa", prefill_chunk), capacity);
}

struct Output {
  Ids ids;
  std::string text;
  std::vector<GenerateEvent> events;
  GenerateResult result;
};

Output Drain(const std::shared_ptr<Session>& session, GenerateRequest request) {
  Generation generation(session, std::move(request));
  Output run;
  GenerateEvent event;
  while (generation.Next(event)) {
    run.events.push_back(event);
    run.text += event.text;
    if (event.kind == Kind::kToken && event.token >= 0) run.ids.push_back(event.token);
  }
  EXPECT_FALSE(generation.Next(event)) << "the end is not the end";
  run.result = generation.result();
  return run;
}

GenerateRequest Greedy(Ids prompt, int64_t max_tokens = 40) {
  return {.prompt = std::move(prompt), .max_tokens = max_tokens, .ignore_end = true};
}

Ids GoldenContinuation() { return TinyGolden("llama-gqa")["generate"][0]["ids"].get<Ids>(); }

TEST(GeneratorTest, GreedyIsTheGoldenContinuation) {
  for (const int64_t chunk : {256, 2}) {
    const Output run = Drain(NewSession(0, chunk), Greedy(kPrompt));
    EXPECT_EQ(run.ids, GoldenContinuation());
    EXPECT_EQ(run.result.finish, Finish::kLength);
    EXPECT_EQ(run.result.prompt_tokens, 5u);
    EXPECT_EQ(run.result.generated_tokens, 40u);
  }
}

TEST(GeneratorTest, EventsInOrder) {
  const Output run = Drain(NewSession(0, 2), Greedy(kPrompt, 3));
  ASSERT_GE(run.events.size(), 6u);
  for (size_t i = 0; i < 3; ++i) {  // 2 + 2 + 1
    EXPECT_EQ(run.events[i].kind, Kind::kPrefill);
    EXPECT_EQ(run.events[i].step, std::min<size_t>(2 * i + 2, 5));
    EXPECT_EQ(run.events[i].total, 5u);
  }
  for (size_t i = 3; i < 6; ++i) {
    EXPECT_EQ(run.events[i].kind, Kind::kToken);
    EXPECT_EQ(run.events[i].step, i - 2);
    EXPECT_EQ(run.events[i].position, i + 2);
  }
}

TEST(GeneratorTest, TextIsThatOfTheIds) {
  const std::shared_ptr<Session> session = NewSession();
  const std::shared_ptr<const Tokenizer>& tokenizer = session->model().text()->tokenizer;
  for (int64_t n = 1; n <= 40; ++n) {
    session->Reset();
    const Output run = Drain(session, Greedy(kPrompt, n));
    Ids known;  // ids of the padded vocabulary have no text
    for (const int32_t id : run.ids) {
      if (id < tokenizer->vocab_size()) known.push_back(id);
    }
    EXPECT_EQ(run.text, tokenizer->Decode(known, true)) << n;
  }
}

TEST(GeneratorTest, EndIdsEndAndAreNotDelivered) {
  const std::shared_ptr<Session> session = NewSession();
  const std::shared_ptr<const Tokenizer>& tokenizer = session->model().text()->tokenizer;
  // Sampling at a high temperature meets an end id soon.
  GenerateRequest request{.prompt = kPrompt, .max_tokens = 500};
  request.sampling.temperature = 100.0f;
  size_t ended = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    session->Reset();
    request.sampling.seed = seed;
    const Output run = Drain(session, request);
    for (const int32_t id : run.ids) EXPECT_FALSE(tokenizer->IsEnd(id));
    if (run.result.finish != Finish::kEnd) continue;
    ++ended;
    EXPECT_EQ(session->tokens().size(), kPrompt.size() + run.ids.size());
  }
  EXPECT_GT(ended, 0u);
}

TEST(GeneratorTest, TheSessionHoldsAllButTheLastToken) {
  const std::shared_ptr<Session> session = NewSession();
  Ids want = kPrompt;
  const Output first = Drain(session, Greedy(kPrompt, 10));
  want.insert(want.end(), first.ids.begin(), first.ids.end() - 1);
  EXPECT_EQ(session->tokens(), want);
  // Going on with the last one gives the rest of the golden continuation.
  const Output rest = Drain(session, Greedy({first.ids.back()}, 30));
  const Ids golden = GoldenContinuation();
  EXPECT_EQ(rest.ids, Ids(golden.begin() + 10, golden.end()));
  EXPECT_EQ(rest.result.cached_tokens, 0u);
  const RequestMetrics metrics = session->metrics();
  EXPECT_EQ(metrics.requests, 2u);
  EXPECT_EQ(metrics.prompt_tokens, 6u);
  EXPECT_EQ(metrics.generated_tokens, 40u);
}

TEST(GeneratorTest, AFullContextIsAResult) {
  const std::shared_ptr<Session> session = NewSession(8);
  const Output run = Drain(session, Greedy(kPrompt));
  EXPECT_EQ(run.result.finish, Finish::kContextFull);
  const Ids golden = GoldenContinuation();
  EXPECT_EQ(run.ids, Ids(golden.begin(), golden.begin() + 4));  // 3 fit, the 4th needs no room
  EXPECT_EQ(session->length(), 8);
  ExpectError(Status::kContextFull, {"prompt", "1 tokens do not fit", "8 of 8"},
              [&] { Drain(session, Greedy({7})); });
}

TEST(GeneratorTest, APromptMayFillTheContext) {
  const std::shared_ptr<Session> session = NewSession(5);
  const Output run = Drain(session, Greedy(kPrompt));
  EXPECT_EQ(run.ids.size(), 1u);
  EXPECT_EQ(run.result.finish, Finish::kContextFull);
  ExpectError(Status::kContextFull, {"5 tokens do not fit", "0 of 4"},
              [&] { Drain(NewSession(4), Greedy(kPrompt)); });
}

TEST(GeneratorTest, AnEmptyPromptGoesOnFromTheSession) {
  const std::shared_ptr<Session> session = NewSession();
  ExpectError(Status::kArg, {"prompt: is empty", "no tokens"}, [&] { Drain(session, Greedy({})); });
  session->Prefill(kPrompt);
  EXPECT_EQ(Drain(session, Greedy({})).ids, GoldenContinuation());
}

TEST(GeneratorTest, AWholeContextReusesWhatIsShared) {
  const std::shared_ptr<Session> session = NewSession();
  const Ids golden = GoldenContinuation();
  Drain(session, Greedy(kPrompt, 10));
  GenerateRequest again = Greedy(kPrompt);
  again.whole_context = true;
  Output run = Drain(session, again);
  EXPECT_EQ(run.ids, golden);
  EXPECT_EQ(run.result.cached_tokens, 4u);  // the last is computed for its logits
  again.prompt.insert(again.prompt.end(), golden.begin(), golden.begin() + 20);
  run = Drain(session, again);
  EXPECT_EQ(run.ids, Ids(Drain(NewSession(), again).ids));
  EXPECT_EQ(run.result.cached_tokens, 24u);
  again.prompt = {480, 46, 345};
  EXPECT_EQ(Drain(session, again).result.cached_tokens, 1u);
  again.prompt.clear();
  ExpectError(Status::kArg, {"prompt: is empty"}, [&] { Drain(session, again); });
}

TEST(GeneratorTest, CancelBetweenChunksAndTokens) {
  const auto cancel = std::make_shared<CancelFlag>();
  GenerateRequest request = Greedy(kPrompt);
  request.cancel = cancel;
  for (const int events : {0, 1, 2, 3, 4, 10}) {
    const std::shared_ptr<Session> session = NewSession(0, 2);
    Generation generation(session, request);
    GenerateEvent event;
    for (int i = 0; i < events; ++i) ASSERT_TRUE(generation.Next(event));
    cancel->Trigger();
    for (int again = 0; again < 2; ++again) {
      ExpectError(Status::kCancelled, {"generate: cancelled"}, [&] { generation.Next(event); });
    }
    cancel->Reset();
    EXPECT_EQ(generation.result().finish, Finish::kCancelled);
    const auto prefilled = static_cast<size_t>(std::min(2 * events, 5));
    EXPECT_EQ(session->tokens().size(), prefilled + (events > 4 ? events - 4 : 0)) << events;
    // It goes on where it stopped.
    GenerateRequest rest = Greedy(kPrompt);
    rest.whole_context = true;
    EXPECT_EQ(Drain(session, rest).ids, GoldenContinuation());
  }
}

TEST(GeneratorTest, Stop) {
  Generation generation(NewSession(), Greedy(kPrompt));
  GenerateEvent event;
  ASSERT_TRUE(generation.Next(event));
  ASSERT_TRUE(generation.Next(event));
  generation.Stop(Finish::kStopped);
  EXPECT_FALSE(generation.Next(event));
  EXPECT_EQ(generation.result().finish, Finish::kStopped);
  EXPECT_EQ(generation.result().generated_tokens, 1u);
}

TEST(GeneratorTest, TheSameSeedGivesTheSameText) {
  GenerateRequest request = Greedy(kPrompt);
  request.sampling = {.temperature = 1.5f, .top_k = 50, .top_p = 0.95f, .seed = 7};
  const Ids first = Drain(NewSession(), request).ids;
  EXPECT_EQ(Drain(NewSession(0, 2), request).ids, first);
  request.sampling.seed = 8;
  EXPECT_NE(Drain(NewSession(), request).ids, first);
}

TEST(GeneratorTest, Times) {
  const GenerateResult result = Drain(NewSession(), Greedy(kPrompt)).result;
  EXPECT_GT(result.prefill_ns, 0u);
  EXPECT_GT(result.decode_ns, 0u);
  EXPECT_GE(result.total_ns, result.prefill_ns + result.decode_ns);
  EXPECT_GT(result.active_bytes, 0u);
  EXPECT_GE(result.peak_bytes, result.active_bytes);
}

TEST(GeneratorTest, SamplingRanges) {
  const auto fails = [](std::initializer_list<std::string_view> parts, SampleOptions options) {
    ExpectError(Status::kArg, parts, [&] { CheckSampling(options); });
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  fails({"temperature is nan", "0..100"}, {.temperature = nan});
  fails({"temperature is -1"}, {.temperature = -1.0f});
  fails({"temperature is inf"}, {.temperature = infinity});
  fails({"top_p is 2", "0..1"}, {.top_p = 2.0f});
  fails({"top_p is nan"}, {.top_p = nan});
  fails({"min_p is -0.5"}, {.min_p = -0.5f});
  fails({"top_k is -1"}, {.top_k = -1});
  fails({"repeat_penalty is 0", "0.01..100"}, {.repeat_penalty = 0.0f});
  fails({"typical_p is 1.5", "0..1"}, {.typical_p = 1.5f});
  fails({"frequency_penalty is -101", "-100..100"}, {.frequency_penalty = -101.0f});
  fails({"presence_penalty is inf"}, {.presence_penalty = infinity});
  fails({"penalty_window is -1"}, {.penalty_window = -1});
  fails({"logit bias of token 7: is nan"}, {.logit_bias = {{7, nan}}});
  fails({"logit bias of token 8: is inf", "minus infinity"}, {.logit_bias = {{8, infinity}}});
  using enum SampleFilter;
  fails({"filter 2", "a second time"}, {.order = {kTopP, kTopK, kTopP}, .filters = 3});
  fails({"filter 0", "is 5"}, {.order = {static_cast<SampleFilter>(5)}, .filters = 1});
  fails({"6 filters", "at most 5"}, {.filters = 6});
  CheckSampling({.order = {kTopP, kTopK, kTopP}, .filters = 2});
  CheckSampling({.logit_bias = {{7, -infinity}}});
  CheckSampling({.temperature = 100.0f, .top_k = 1'000'000'000, .top_p = 1.0f, .min_p = 1.0f});
  GenerateRequest request = Greedy(kPrompt, 0);
  ExpectError(Status::kArg, {"max_tokens is 0"}, [&] { Drain(NewSession(), request); });
  // More than there is to choose from is no limit at all.
  request = Greedy(kPrompt, 3);
  request.sampling = {.temperature = 1.0f, .top_k = 1'000'000'000};
  EXPECT_EQ(Drain(NewSession(), request).ids.size(), 3u);
}

// n code points of `text`, from number `at`.
std::string CodePoints(const std::string& text, size_t at, size_t n) {
  size_t begin = 0;
  const auto step = [&](size_t from) { return from + DecodeUtf8(text, from).length; };
  for (; at > 0; --at) begin = step(begin);
  size_t end = begin;
  for (; n > 0; --n) end = step(end);
  return text.substr(begin, end - begin);
}

// The text ends before a stop string, wherever it is cut into tokens.
TEST(GeneratorTest, StopStringsEndTheText) {
  const Output whole = Drain(NewSession(), Greedy(kPrompt));
  for (const size_t at : {0u, 3u, 17u}) {
    GenerateRequest request = Greedy(kPrompt);
    request.stops = {"never there", CodePoints(whole.text, at, 7)};
    const size_t first = whole.text.find(request.stops[1]);
    const Output run = Drain(NewSession(), request);
    EXPECT_EQ(run.result.finish, Finish::kStopString);
    EXPECT_EQ(run.text, whole.text.substr(0, first));
    EXPECT_EQ(run.ids, Ids(whole.ids.begin(), whole.ids.begin() + run.ids.size()));
    EXPECT_LT(run.ids.size(), whole.ids.size());
    EXPECT_EQ(run.result.generated_tokens, run.ids.size());
  }
  // What was held back in vain comes at the end.
  size_t last = 4;  // bytes at the end, whole code points
  while (!IsValidUtf8(whole.text.substr(whole.text.size() - last))) ++last;
  GenerateRequest request = Greedy(kPrompt);
  request.stops = {whole.text.substr(whole.text.size() - last) + "!"};
  const Output run = Drain(NewSession(), request);
  EXPECT_EQ(run.result.finish, Finish::kLength);
  EXPECT_EQ(run.text, whole.text);
  EXPECT_EQ(run.events.back().token, -1);
}

TEST(GeneratorTest, StopTokensEndTheText) {
  const Ids golden = GoldenContinuation();
  GenerateRequest request = Greedy(kPrompt);
  request.stop_tokens = {golden[9], golden[5]};
  const size_t first =
      static_cast<size_t>(std::ranges::find_first_of(golden, request.stop_tokens) - golden.begin());
  const std::shared_ptr<Session> session = NewSession();
  const Output run = Drain(session, request);
  EXPECT_EQ(run.ids, Ids(golden.begin(), golden.begin() + static_cast<long>(first)));
  EXPECT_EQ(run.result.finish, Finish::kStopToken);
  EXPECT_EQ(session->tokens().size(), kPrompt.size() + run.ids.size());
}

TEST(GeneratorTest, BannedTokensAreNotGenerated) {
  const Ids golden = GoldenContinuation();
  GenerateRequest request = Greedy(kPrompt);
  request.sampling.logit_bias = {{golden[0], -INFINITY}, {golden[3], -INFINITY}};
  for (const int32_t id : Drain(NewSession(), request).ids) {
    EXPECT_TRUE(id != golden[0] && id != golden[3]);
  }
}

TEST(GeneratorTest, LogprobsAreOfTheModelsLogits) {
  GenerateRequest request = Greedy(kPrompt, 12);
  request.sampling = {.temperature = 0.7f, .repeat_penalty = 1.5f, .seed = 3};
  const Output plain = Drain(NewSession(), request);
  request.logprobs = true;
  request.top_logprobs = 5;
  const Output run = Drain(NewSession(), request);
  EXPECT_EQ(run.ids, plain.ids);
  Ids all = kPrompt;
  all.insert(all.end(), run.ids.begin(), run.ids.end() - 1);
  const std::vector<float> logits = LogitsOf(*NewSession(), all);
  const size_t V = logits.size() / all.size();
  size_t row = kPrompt.size() - 1;
  for (const GenerateEvent& event : run.events) {
    if (event.kind != Kind::kToken) continue;
    std::vector<double> p;
    for (const float x : std::span(logits).subspan(row++ * V, V)) {
      p.push_back(std::exp(static_cast<double>(x)));
    }
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    EXPECT_NEAR(event.logprob, std::log(p[static_cast<size_t>(event.token)] / sum), 1e-9);
    ASSERT_EQ(event.ids.size(), 5u);
    ASSERT_EQ(event.logprobs.size(), 5u);
    EXPECT_EQ(std::ranges::max(p), p[static_cast<size_t>(event.ids[0])]);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(event.logprobs[i], std::log(p[static_cast<size_t>(event.ids[i])] / sum), 1e-9);
      EXPECT_GE(event.logprobs[i == 0 ? 0 : i - 1], event.logprobs[i]);
    }
  }
  for (const GenerateEvent& event : plain.events) EXPECT_TRUE(event.ids.empty());
}

// Ids and log-probabilities that the prefill events tell.
std::pair<Ids, std::vector<double>> PromptLogprobs(const Output& run) {
  std::pair<Ids, std::vector<double>> out;
  for (const GenerateEvent& event : run.events) {
    if (event.kind != Kind::kPrefill) continue;
    out.first.insert(out.first.end(), event.ids.begin(), event.ids.end());
    out.second.insert(out.second.end(), event.logprobs.begin(), event.logprobs.end());
  }
  return out;
}

TEST(GeneratorTest, PromptLogprobsAreThoseOfScoring) {
  const Ids long_prompt = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  for (const Ids& prompt : {kPrompt, long_prompt}) {
    const Score score = ScoreRolling(*NewSession(), prompt, 0, 1, nullptr, nullptr);
    for (const int64_t chunk : {256, 3}) {
      const std::shared_ptr<Session> session = NewSession(0, chunk);
      GenerateRequest request = Greedy(prompt, 5);
      request.prompt_logprobs = true;
      const Output run = Drain(session, request);
      EXPECT_EQ(run.result.finish, Finish::kLength);
      EXPECT_EQ(run.ids, Drain(NewSession(), Greedy(prompt, 5)).ids);
      auto [ids, logprobs] = PromptLogprobs(run);
      EXPECT_EQ(ids, prompt);
      ASSERT_EQ(logprobs.size(), prompt.size());
      EXPECT_TRUE(std::isnan(logprobs[0]));
      EXPECT_EQ(std::vector(logprobs.begin() + 1, logprobs.end()), score.logprobs);
      EXPECT_EQ(session->metrics().prompt_tokens, prompt.size());
    }
    // A prompt that continues what the session holds.
    const std::shared_ptr<Session> session = NewSession(0, 3);
    session->Prefill(std::span(prompt).first(2));
    GenerateRequest rest = Greedy(Ids(prompt.begin() + 2, prompt.end()), 1);
    rest.prompt_logprobs = true;
    const Output run = Drain(session, rest);
    const auto [ids, logprobs] = PromptLogprobs(run);
    EXPECT_EQ(ids, rest.prompt);
    EXPECT_EQ(logprobs, std::vector(score.logprobs.begin() + 1, score.logprobs.end()));
    EXPECT_EQ(run.result.prompt_tokens, rest.prompt.size());
  }
  GenerateRequest one = Greedy({kPrompt[0]}, 1);
  one.prompt_logprobs = true;
  const auto [ids, logprobs] = PromptLogprobs(Drain(NewSession(), one));
  EXPECT_EQ(ids, Ids{kPrompt[0]});
  EXPECT_TRUE(std::isnan(logprobs.at(0)));
}

// Sliding windows may have lost what the prompt's first token is scored from.
TEST(GeneratorTest, PromptLogprobsOfAModelWithWindows) {
  const auto model = TinyModel("gemma3-text", 3);
  const Ids all = TinyGolden("gemma3-text")["long_ids"].get<Ids>();
  const Score score =
      ScoreRolling(*std::make_shared<Session>(model, 0), all, 0, 1, nullptr, nullptr);
  const auto session = std::make_shared<Session>(model, 0);
  for (size_t at = 0; at < all.size() - 10; at += 3)
    session->Prefill(std::span(all).subspan(at, std::min<size_t>(3, all.size() - 10 - at)));
  GenerateRequest rest = Greedy(Ids(all.end() - 10, all.end()), 1);
  rest.prompt_logprobs = true;
  const auto [ids, logprobs] = PromptLogprobs(Drain(session, rest));
  EXPECT_EQ(ids, rest.prompt);
  EXPECT_EQ(logprobs, std::vector(score.logprobs.end() - 10, score.logprobs.end()));
}

TEST(GeneratorTest, TheRequestIsCheckedBeforeTheSessionIsTouched) {
  const std::shared_ptr<Session> session = NewSession();
  session->Prefill(kPrompt);
  GenerateRequest request = Greedy({480, 512});
  request.whole_context = true;
  ExpectError(Status::kArg, {"token 1: id is 512"}, [&] { Drain(session, request); });
  EXPECT_EQ(session->tokens(), kPrompt);
  EXPECT_EQ(session->metrics().requests, 0u);
}

TEST(GeneratorTest, FinishNames) {
  EXPECT_STREQ(FinishName(Finish::kNone), "none");
  EXPECT_STREQ(FinishName(Finish::kContextFull), "context_full");
  EXPECT_STREQ(FinishName(Finish::kError), "error");
  EXPECT_STREQ(FinishName(Finish::kStopToken), "stop_token");
  EXPECT_STREQ(FinishName(static_cast<Finish>(9)), "unknown");
}

}  // namespace
}  // namespace inference
