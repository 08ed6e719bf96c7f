#include "engine/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr double kTolerance = 1e-4;  // of a log-probability

class GoldenScore : public testing::TestWithParam<const char*> {
 protected:
  const Json golden_ = TinyGolden(GetParam());
  const std::shared_ptr<Model> model_ = TinyModel(GetParam());
  const Tokenizer& tokenizer_ = *model_->text()->tokenizer;
};

void ExpectNear(const std::vector<double>& got, const Json& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i].get<double>(), kTolerance) << "token " << i;
  }
}

TEST_P(GoldenScore, CompletionsOfTextsWithAndWithoutACachedPrefix) {
  Session session(model_, 0);
  for (const Json& entry : golden_["score"]) {
    const auto prompt = entry["prompt"].get<std::string>();
    SCOPED_TRACE(prompt);
    const TextPair pair = SplitText(tokenizer_, prompt, entry["completion"].get<std::string>());
    EXPECT_EQ(pair.continuation, entry["ids"].get<Ids>());
    const Score score = ScoreContinuation(session, pair.context, pair.continuation, nullptr);
    ExpectNear(score.logprobs, entry["logprobs"]);
    EXPECT_EQ(score.is_greedy, entry["is_greedy"].get<bool>());
    double total = 0.0;
    for (const double logprob : score.logprobs) total += logprob;
    EXPECT_EQ(score.total, total);
    const Score again = ScoreContinuation(session, pair.context, pair.continuation, nullptr);
    EXPECT_EQ(again.cached_tokens, pair.context.size() - 1);
    EXPECT_EQ(again.logprobs, score.logprobs) << "a cached prefix changes bits";
  }
}

TEST_P(GoldenScore, RollingTexts) {
  Session session(model_, 0);
  for (const Json& entry : golden_["rolling"]) {
    const Ids ids = tokenizer_.Encode(entry["text"].get<std::string>(), {});
    EXPECT_EQ(ids, entry["ids"].get<Ids>());
    ExpectNear(ScoreRolling(session, ids, 0, 1, nullptr, nullptr).logprobs, entry["logprobs"]);
  }
}

TEST_P(GoldenScore, WhatComesNext) {
  Session session(model_, 0);
  for (const Json& entry : golden_["next_token"]) {
    const Ids ids = tokenizer_.Encode(entry["prompt"].get<std::string>(), {});
    const NextTokens next = PredictNext(session, ids, entry["top_k"].get<uint64_t>(), nullptr);
    EXPECT_EQ(next.ids, entry["ids"].get<Ids>());
    ExpectNear(next.logprobs, entry["logprobs"]);
    ASSERT_EQ(next.tail, NextTokens::Tail::kSome);
    EXPECT_NEAR(next.tail_logprob, entry["tail_logprob"].get<double>(), kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, GoldenScore,
                         testing::Values("llama-gqa", "llama-rope-llama3", "llama-mha-headdim",
                                         "qwen2-bias", "qwen3-qknorm", "gemma2", "gemma3-text",
                                         "gemma3-scaled"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

const Ids kLong = TinyGolden("llama-gqa")["long_ids"].get<Ids>();

TEST(ScoreContinuationTest, HasTheBitsOfEveryChunkingAndOfRolling) {
  const std::span<const int32_t> all(kLong);
  Session one(TinyModel("llama-gqa", 7), 0), other(TinyModel("llama-gqa", 64), 0);
  const Score small = ScoreContinuation(one, all.first(100), all.subspan(100), nullptr);
  EXPECT_EQ(ScoreContinuation(other, all.first(100), all.subspan(100), nullptr).logprobs,
            small.logprobs);
  const std::vector<double> rolling = ScoreRolling(other, all, 0, 1, nullptr, nullptr).logprobs;
  EXPECT_EQ(std::vector<double>(rolling.begin() + 99, rolling.end()), small.logprobs);
  EXPECT_EQ(one.length(), static_cast<int64_t>(all.size()) - 1);
}

TEST(ScoreContinuationTest, CompletionsOfOnePrefixShareIt) {
  const std::span<const int32_t> all(kLong);
  Session session(TinyModel("llama-gqa"), 0);
  for (int32_t id = 5; id < 12; ++id) {
    const Ids continuation = {id, 17, id};
    const Score score = ScoreContinuation(session, all.first(60), continuation, nullptr);
    EXPECT_EQ(score.cached_tokens, id == 5 ? 0u : 59u);
    Session fresh(TinyModel("llama-gqa"), 0);
    EXPECT_EQ(ScoreContinuation(fresh, all.first(60), continuation, nullptr).logprobs,
              score.logprobs);
  }
}

TEST(ScoreRollingTest, WindowsScoreEachTokenOnceWithTheirOverlapAsContext) {
  Session session(TinyModel("llama-gqa"), 0);
  const std::span<const int32_t> all(kLong);
  std::vector<uint64_t> heard;
  const Score score = ScoreRolling(session, all, 40, 10, nullptr, [&](uint64_t done, uint64_t n) {
    heard.push_back(done);
    EXPECT_EQ(n, all.size() - 1);
  });
  ASSERT_EQ(score.logprobs.size(), all.size() - 1);
  EXPECT_EQ(heard.back(), all.size() - 1);
  EXPECT_GT(heard.size(), 3u);
  // Windows are [0, 40), [30, 70), ...: token 50 has the context of 30 ... 49.
  const Score by_hand =
      ScoreContinuation(session, all.subspan(30, 20), all.subspan(50, 1), nullptr);
  EXPECT_EQ(by_hand.logprobs[0], score.logprobs[49]);
  const Ids one = {480};
  EXPECT_TRUE(ScoreRolling(session, one, 0, 1, nullptr, nullptr).logprobs.empty());
}

TEST(PredictNextTest, TheTailHasThreeStates) {
  Session session(TinyModel("llama-gqa"), 0);
  const Ids context = {480, 350};
  const auto whole = PredictNext(session, context, 1 << 20, nullptr);
  EXPECT_EQ(whole.tail, NextTokens::Tail::kNone);
  EXPECT_EQ(static_cast<int64_t>(whole.ids.size()), session.model().network().dims().vocab_size);
  double sum = 0.0;
  for (const double logprob : whole.logprobs) sum += std::exp(logprob);
  EXPECT_NEAR(sum, 1.0, 1e-12);
  EXPECT_TRUE(std::ranges::is_sorted(whole.logprobs, std::greater<>()));
  double entropy = 0.0;
  for (const double logprob : whole.logprobs) entropy -= std::exp(logprob) * logprob;
  EXPECT_NEAR(whole.entropy, entropy, 1e-9);
  const auto some = PredictNext(session, context, 3, nullptr);
  EXPECT_EQ(some.tail, NextTokens::Tail::kSome);
  EXPECT_EQ(some.cached_tokens, 1u);
  double top = 0.0;
  for (const double logprob : some.logprobs) top += std::exp(logprob);
  EXPECT_NEAR(std::exp(some.tail_logprob), 1.0 - top, 1e-12);
}

TEST(ScoreErrors, AreTold) {
  Session session(TinyModel("llama-gqa"), 16);
  const Ids none, some = {1, 2, 3}, bad = {1, 99999};
  ExpectError(Status::kArg, {"context is empty"},
              [&] { ScoreContinuation(session, none, some, nullptr); });
  ExpectError(Status::kArg, {"continuation is empty"},
              [&] { ScoreContinuation(session, some, none, nullptr); });
  ExpectError(Status::kArg, {"token 1", "99999"},
              [&] { ScoreContinuation(session, some, bad, nullptr); });
  ExpectError(Status::kContextFull, {"17 tokens", "capacity is 16"},
              [&] { ScoreContinuation(session, some, Ids(15, 4), nullptr); });
  EXPECT_EQ(ScoreContinuation(session, some, Ids(14, 4), nullptr).logprobs.size(), 14u);
  ExpectError(Status::kArg, {"window is 1 tokens"},
              [&] { ScoreRolling(session, some, 1, 1, nullptr, nullptr); });
  ExpectError(Status::kArg, {"overlap is 4 tokens", "1..3"},
              [&] { ScoreRolling(session, some, 4, 4, nullptr, nullptr); });
  ExpectError(Status::kArg, {"window is 18 tokens", "capacity is 16"},
              [&] { ScoreRolling(session, some, 18, 4, nullptr, nullptr); });
  ExpectError(Status::kArg, {"top_k is 0"}, [&] { PredictNext(session, some, 0, nullptr); });
  CancelFlag cancel;
  cancel.Trigger();
  ExpectError(Status::kCancelled, {"score: cancelled"}, [&] {
    ScoreContinuation(session, Ids{9, 8}, some, &cancel);
  });
  const Tokenizer& tokenizer = *TinyModel("llama-gqa")->text()->tokenizer;
  ExpectError(Status::kArg, {"completion: adds no token", "'abc'"},
              [&] { SplitText(tokenizer, "abc", ""); });
  EXPECT_FALSE(SplitText(tokenizer, "", "abc").context.empty());
}

}  // namespace
}  // namespace inference
