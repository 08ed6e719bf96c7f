// Contexts that outgrow the session: what is left is computed as if it had been given to a new one.
#include <gtest/gtest.h>

#include "engine/overflow_runs.h"
#include "support/expect_error.h"

namespace inference {
namespace {

std::shared_ptr<Session> NewSession(const std::string& name, int64_t capacity,
                                    int64_t chunk = 256) {
  return std::make_shared<Session>(TinyModel(name, chunk), capacity);
}

class OverflowTest : public testing::TestWithParam<const char*> {};

TEST_P(OverflowTest, WhatIsGeneratedGoesOn) {
  const std::string name = GetParam();
  const Ids prompt = LongIds(name, 9);
  using Sizes = std::pair<int64_t, int64_t>;  // capacity and head
  for (const auto& [capacity, head] :
       {Sizes{40, 0}, Sizes{40, 1}, Sizes{40, 7}, Sizes{41, 12}, Sizes{12, 10}, Sizes{16, 3}}) {
    const OverflowRun want =
        WantedRun(name, prompt, 70, static_cast<size_t>(capacity), static_cast<size_t>(head));
    EXPECT_GT(want.overflows, 1u);
    for (const int64_t chunk : {1, 7, 256}) {
      const auto session = NewSession(name, capacity, chunk);
      EXPECT_EQ(RunIn(session, OverflowRequest(prompt, 70, head)), want)
          << capacity << " " << head << " in chunks of " << chunk;
      EXPECT_LE(session->length(), capacity);
      const auto kept = std::min(head, static_cast<int64_t>(prompt.size()));
      EXPECT_TRUE(std::equal(prompt.begin(), prompt.begin() + kept, session->tokens().begin()));
    }
  }
}

// Both the prompt and the text outgrow these, most of them with every token.
TEST_P(OverflowTest, SessionsOfAFewTokensDo) {
  const std::string name = GetParam();
  const Ids prompt = LongIds(name, 9);
  for (const int64_t capacity : {2, 3, 4, 8}) {
    for (int64_t head = 0; head <= capacity - 2; ++head) {
      const auto session = NewSession(name, capacity);
      EXPECT_EQ(
          RunIn(session, OverflowRequest(prompt, 20, head)),
          WantedRun(name, prompt, 20, static_cast<size_t>(capacity), static_cast<size_t>(head)))
          << capacity << " " << head;
      EXPECT_LE(session->length(), capacity);
    }
  }
}

TEST_P(OverflowTest, DrawsAndPenaltiesGoOnWithIt) {
  const std::string name = GetParam();
  GenerateRequest request = OverflowRequest(LongIds(name, 20), 60, 4);
  request.sampling.temperature = 1.2f;
  request.sampling.seed = 11;
  request.sampling.repeat_penalty = 1.3f;
  request.sampling.frequency_penalty = 0.5f;
  const OverflowRun want = WantedRun(name, request.prompt, 60, 32, 4, request.sampling);
  EXPECT_EQ(RunIn(NewSession(name, 32), request), want);
}

TEST_P(OverflowTest, APromptThatIsTooLongIsCut) {
  const std::string name = GetParam();
  for (const bool whole_context : {false, true}) {
    GenerateRequest request = OverflowRequest(LongIds(name, 200), 5, 6);
    request.whole_context = whole_context;
    const auto session = NewSession(name, 50, 16);
    EXPECT_EQ(RunIn(session, request), WantedRun(name, request.prompt, 5, 50, 6));
    Ids kept(request.prompt.begin(), request.prompt.begin() + 6);
    kept.insert(kept.end(), request.prompt.end() - 22, request.prompt.end());
    EXPECT_TRUE(std::equal(kept.begin(), kept.end(), session->tokens().begin()));
    EXPECT_EQ(session->length(), 32);
  }
  // Exactly full is not too long: only the second token needs room.
  const auto session = NewSession(name, 50);
  EXPECT_EQ(RunIn(session, OverflowRequest(LongIds(name, 50), 1, 6)).overflows, 0u);
  EXPECT_EQ(session->length(), 50);
}

// A conversation that is longer at each turn, as chats are run.
TEST_P(OverflowTest, EveryTurnOfAConversationIsCut) {
  const std::string name = GetParam();
  const Ids all = LongIds(name, 300);
  const auto session = NewSession(name, 64, 16);
  for (const size_t length : {20u, 70u, 71u, 150u, 300u}) {
    GenerateRequest request =
        OverflowRequest(Ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(length)), 12, 9);
    request.whole_context = true;
    EXPECT_EQ(RunIn(session, request), WantedRun(name, request.prompt, 12, 64, 9)) << length;
  }
}

TEST_P(OverflowTest, WhatASessionHoldsIsPartOfTheContext) {
  const std::string name = GetParam();
  const Ids all = LongIds(name, 70);
  const auto session = NewSession(name, 48);
  session->Prefill(std::span(all).first(40));
  const GenerateRequest more = OverflowRequest(Ids(all.begin() + 40, all.end()), 30, 5);
  EXPECT_EQ(RunIn(session, more), WantedRun(name, all, 30, 48, 5));
  // Going on with nothing new, from a full session.
  const auto full = NewSession(name, 48);
  full->Prefill(std::span(all).first(48));
  EXPECT_EQ(RunIn(full, OverflowRequest({}, 10, 0)),
            WantedRun(name, Ids(all.begin(), all.begin() + 48), 10, 48, 0));
}

// The texts of a request's tokens, and the first one that came after an overflow.
std::pair<std::vector<std::string>, size_t> TextsOf(const std::string& name,
                                                    const GenerateRequest& request) {
  Generation generation(NewSession(name, 20), request);
  std::vector<std::string> texts;
  size_t first_after = 0;
  GenerateEvent event;
  while (generation.Next(event)) {
    if (event.kind == GenerateEvent::Kind::kToken) {
      texts.push_back(event.text);
    } else if (!texts.empty() && first_after == 0) {
      first_after = texts.size();
    }
  }
  return {texts, first_after};
}

TEST_P(OverflowTest, AStopStringMayBeginBeforeItAndEndAfterIt) {
  GenerateRequest request = OverflowRequest(LongIds(GetParam(), 10), 40, 3);
  request.sampling.temperature = 1.5f;  // greedily a tiny model repeats itself
  for (uint64_t seed = 0; seed < 30; ++seed) {
    request.sampling.seed = seed;
    request.stops.clear();
    const auto [texts, first_after] = TextsOf(GetParam(), request);
    ASSERT_EQ(first_after, 11u);
    std::string before, stop;
    for (size_t i = 0; i < 9; ++i) before += texts[i];
    for (size_t i = 9; i < 13; ++i) stop += texts[i];
    if (texts[9].empty() || texts[12].empty()) continue;  // half a character
    if ((before + stop).find(stop) != before.size()) continue;
    request.stops = {stop};
    Generation generation(NewSession(GetParam(), 20), request);
    std::string text;
    GenerateEvent event;
    while (generation.Next(event)) text += event.text;
    EXPECT_EQ(text, before);
    EXPECT_EQ(generation.result().finish, Finish::kStopString);
    EXPECT_EQ(generation.result().generated_tokens, 13u);
    EXPECT_EQ(generation.result().overflows, 1u);
    return;
  }
  FAIL() << "no seed gives whole characters where they are wanted";
}

TEST_P(OverflowTest, ACancelInTheMiddleOfItLeavesWhatWasComputed) {
  const std::string name = GetParam();
  const auto cancel = std::make_shared<CancelFlag>();
  GenerateRequest request = OverflowRequest(LongIds(name, 30), 50, 6);
  request.cancel = cancel;
  const auto session = NewSession(name, 40, 4);
  Generation generation(session, request);
  GenerateEvent event;
  Ids context = request.prompt;
  while (generation.Next(event)) {
    if (event.kind == GenerateEvent::Kind::kToken) {
      context.push_back(event.token);
    } else if (context.size() > request.prompt.size()) {
      break;
    }
  }
  ASSERT_EQ(context.size(), 41u);
  cancel->Trigger();
  ExpectError(Status::kCancelled, {"generate"}, [&] { generation.Next(event); });
  EXPECT_EQ(generation.result().finish, Finish::kCancelled);
  EXPECT_EQ(generation.result().overflows, 1u);
  OverflowRun dropped;
  FitContext(context, 40, 6, dropped);
  ASSERT_LT(session->length(), static_cast<int64_t>(context.size()));
  EXPECT_GT(session->length(), 0);
  EXPECT_TRUE(std::equal(session->tokens().begin(), session->tokens().end(), context.begin()));
  // It goes on from there, as any session.
  const Ids rest(context.begin() + session->length(), context.end());
  EXPECT_EQ(RunIn(session, OverflowRequest(rest, 30, 6)), WantedRun(name, context, 30, 40, 6));
}

INSTANTIATE_TEST_SUITE_P(Tiny, OverflowTest, testing::Values("llama-gqa", "gemma3-text"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('-'));
                         });

TEST(Overflow, CountsTellTheTruth) {
  const auto session = NewSession("llama-gqa", 50);
  session->Prefill(LongIds("llama-gqa", 30));
  GenerateEvent event;
  std::vector<GenerateEvent> prompts, tokens;
  GenerateResult result;
  {
    Generation generation(session, OverflowRequest(LongIds("llama-gqa", 40), 24, 8));
    while (generation.Next(event)) {
      (event.kind == GenerateEvent::Kind::kToken ? tokens : prompts).push_back(event);
    }
    result = generation.result();
  }
  EXPECT_EQ(result.prompt_tokens, 40u);
  EXPECT_EQ(result.cached_tokens, 0u);    // the head was cached, and is no part of the prompt
  EXPECT_EQ(result.prefill_tokens, 21u);  // half of 50 - 8
  EXPECT_EQ(result.overflows, 2u);
  EXPECT_EQ(result.dropped_tokens, (30u + 40 - 29) + (51 - 29));
  ASSERT_EQ(prompts.size(), 2u);
  for (const GenerateEvent& part : prompts) {
    EXPECT_EQ(part.total, 21u);
    EXPECT_EQ(part.step, 21u);
    EXPECT_EQ(part.position, 29u);
  }
  ASSERT_EQ(tokens.size(), 24u);
  for (size_t i = 0; i < 24; ++i) EXPECT_EQ(tokens[i].position, i < 22 ? 29 + i : 29 + i - 22);
  EXPECT_EQ(session->length(), 30);
  EXPECT_EQ(session->metrics().prompt_tokens, 42u);
  EXPECT_EQ(session->metrics().generated_tokens, 24u);
}

TEST(Overflow, WithoutItAllIsAsItWas) {
  const auto session = NewSession("llama-gqa", 20);
  ExpectError(Status::kContextFull, {"prompt: 21 tokens do not fit"},
              [&] { RunIn(session, OverflowRequest(LongIds("llama-gqa", 21), 5, std::nullopt)); });
  const OverflowRun run = RunIn(session, OverflowRequest(LongIds("llama-gqa", 15), 50, {}));
  EXPECT_EQ(run.finish, Finish::kContextFull);
  EXPECT_EQ(run.ids.size(), 6u);
  EXPECT_EQ(run.overflows, 0u);
}

TEST(Overflow, WhatCannotBeIsRefused) {
  const auto session = NewSession("llama-gqa", 20);
  for (const int64_t head : {19, 20, 21, -1}) {
    ExpectError(Status::kArg,
                {"overflow: the head is " + std::to_string(head) + " tokens, want 0..18"}, [&] {
                  RunIn(session, OverflowRequest({1, 2}, 5, head));
                });
  }
  ExpectError(Status::kArg, {"overflow: the session's capacity is 1, want 2 or more"},
              [&] { RunIn(NewSession("llama-gqa", 1), OverflowRequest({1}, 5, 0)); });
  GenerateRequest request = OverflowRequest({1, 2}, 5, 3);
  request.prompt_logprobs = true;
  ExpectError(Status::kArg, {"overflow: log-probabilities of the prompt"},
              [&] { RunIn(session, request); });
  EXPECT_EQ(session->length(), 0);
}

}  // namespace
}  // namespace inference
