#include "engine/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/tiny_models.h"
#include "support/expect_error.h"

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
  CheckSampling({.temperature = 100.0f, .top_k = 1'000'000'000, .top_p = 1.0f, .min_p = 1.0f});
  GenerateRequest request = Greedy(kPrompt, 0);
  ExpectError(Status::kArg, {"max_tokens is 0"}, [&] { Drain(NewSession(), request); });
  // More than there is to choose from is no limit at all.
  request = Greedy(kPrompt, 3);
  request.sampling = {.temperature = 1.0f, .top_k = 1'000'000'000};
  EXPECT_EQ(Drain(NewSession(), request).ids.size(), 3u);
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
  EXPECT_STREQ(FinishName(static_cast<Finish>(7)), "unknown");
}

}  // namespace
}  // namespace inference
