// Many texts at once have the results of each alone, to the bit.
#include "engine/score_many.h"

#include <gtest/gtest.h>

#include "engine/shared_steps.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

// `n` ids that differ by `seed`.
Ids Text(size_t n, int32_t seed) {
  Ids out;
  for (size_t i = 0; i < n; ++i) {
    out.push_back(
        static_cast<int32_t>((i * i * 31 + i * 7 + static_cast<size_t>(seed) * 101) % 500));
  }
  return out;
}

Ids Joined(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Pairs {
  std::vector<std::pair<Ids, Ids>> of;
  std::vector<ScoreItem> items() const {
    std::vector<ScoreItem> out;
    for (const auto& [context, continuation] : of) out.push_back({context, continuation});
    return out;
  }
};

void ExpectAsAlone(const std::shared_ptr<Model>& model, const Pairs& pairs) {
  Session together(model, 0);
  const auto got = ScoreMany(together, pairs.items(), nullptr);
  ASSERT_EQ(got.size(), pairs.of.size());
  for (size_t i = 0; i < got.size(); ++i) {
    Session alone(model, 0);
    const Score want = ScoreContinuation(alone, pairs.of[i].first, pairs.of[i].second, nullptr);
    ASSERT_FALSE(got[i].error) << got[i].error->what();
    EXPECT_EQ(got[i].value.logprobs, want.logprobs) << "item " << i;
    EXPECT_EQ(got[i].value.total, want.total);
    EXPECT_EQ(got[i].value.is_greedy, want.is_greedy);
  }
}

class ScoreManyOf : public testing::TestWithParam<const char*> {};

TEST_P(ScoreManyOf, CompletionsOfOnePrefix) {
  Pairs pairs;
  for (int32_t i = 0; i < 20; ++i) {
    pairs.of.emplace_back(Text(70, 1), Text(static_cast<size_t>(1 + i % 9), i));
  }
  ExpectAsAlone(TinyModel(GetParam(), 64), pairs);
  ExpectAsAlone(TinyModel(GetParam(), 7), pairs);
}

// A beginning of all, groups with longer ones, one text longer than a step, one of a token.
TEST_P(ScoreManyOf, DifferentContexts) {
  Pairs pairs;
  const Ids all = Text(20, 3);
  for (int32_t group = 0; group < 5; ++group) {
    const Ids context = Joined(all, Text(static_cast<size_t>(18 + group), 50 + group));
    for (int32_t i = 0; i < 3; ++i) {
      pairs.of.emplace_back(context, Text(static_cast<size_t>(2 + i), 90 + i));
    }
  }
  ExpectAsAlone(TinyModel(GetParam(), 64), pairs);
  pairs.of.insert(pairs.of.begin() + 4, {Text(150, 8), Text(100, 9)});
  pairs.of.insert(pairs.of.begin() + 2, {Text(1, 8), Text(1, 9)});
  ExpectAsAlone(TinyModel(GetParam(), 64), pairs);
}

TEST_P(ScoreManyOf, NextTokens) {
  const std::shared_ptr<Model> model = TinyModel(GetParam(), 64);
  std::vector<Ids> texts;
  for (int32_t i = 0; i < 12; ++i) texts.push_back(Text(static_cast<size_t>(1 + i * 9), i));
  const std::vector<std::span<const int32_t>> contexts(texts.begin(), texts.end());
  Session together(model, 0);
  const auto got = PredictNextMany(together, contexts, 5, nullptr);
  ASSERT_EQ(got.size(), texts.size());
  for (size_t i = 0; i < got.size(); ++i) {
    Session alone(model, 0);
    const NextTokens want = PredictNext(alone, texts[i], 5, nullptr);
    ASSERT_FALSE(got[i].error);
    EXPECT_EQ(got[i].value.ids, want.ids) << "item " << i;
    EXPECT_EQ(got[i].value.logprobs, want.logprobs) << "item " << i;
    EXPECT_EQ(got[i].value.tail_logprob, want.tail_logprob);
    EXPECT_EQ(got[i].value.entropy, want.entropy);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, ScoreManyOf, testing::Values("llama-gqa", "gemma3-text"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(ScoreMany, HoldsTheSharedBeginningAndReusesIt) {
  Session session(TinyModel("llama-gqa", 64), 0);
  const Ids context = Text(70, 1);
  const Ids one = {5, 6}, two = {7};
  const std::vector<ScoreItem> items = {{context, one}, {context, two}};
  EXPECT_EQ(ScoreMany(session, items, nullptr)[1].value.cached_tokens, 0u);
  EXPECT_EQ(session.tokens(), Ids(context.begin(), context.end() - 1));
  const uint64_t bytes = session.kv_bytes();
  EXPECT_EQ(ScoreMany(session, items, nullptr)[0].value.cached_tokens, 69u);
  EXPECT_EQ(session.kv_bytes(), bytes);
  EXPECT_EQ(session.model().executor().cache()->used_bytes(), bytes) << "items keep pages";
  EXPECT_TRUE(ScoreMany(session, {}, nullptr).empty());
}

TEST(ScoreMany, AnItemFailsAlone) {
  Session session(TinyModel("llama-gqa", 64), 30);
  const Ids good = Text(20, 1), none, bad = {1, 99999}, next = {4, 5}, many = Text(12, 2);
  const std::vector<ScoreItem> items = {{none, next}, {good, next}, {good, none},
                                        {good, bad},  {good, many}, {good, next}};
  const auto got = ScoreMany(session, items, nullptr);
  const char* const messages[] = {"context is empty",      nullptr,
                                  "continuation is empty", "token 1: id is 99999",
                                  "31 tokens do not fit",  nullptr};
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].error.has_value(), messages[i] != nullptr) << i;
    if (messages[i] != nullptr && got[i].error) {
      EXPECT_NE(std::string(got[i].error->what()).find(messages[i]), std::string::npos) << i;
    }
  }
  EXPECT_EQ(got[1].value.logprobs, got[5].value.logprobs);
  const std::vector<std::span<const int32_t>> contexts = {none, good};
  const auto nexts = PredictNextMany(session, contexts, 3, nullptr);
  EXPECT_TRUE(nexts[0].error);
  EXPECT_FALSE(nexts[1].error);
  ExpectError(Status::kArg, {"top_k is 0"},
              [&] { PredictNextMany(session, contexts, 0, nullptr); });
  CancelFlag cancel;
  cancel.Trigger();
  ExpectError(Status::kCancelled, {"cancelled"}, [&] { ScoreMany(session, items, &cancel); });
}

// Memory for few rows: fewer go together.
TEST(RunPacked, GoesOnWithFewerRowsWhereMemoryIsShort) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  std::vector<Ids> texts;
  for (int32_t i = 0; i < 16; ++i) texts.push_back(Text(static_cast<size_t>(2 + i % 3), i));
  std::vector<PackedItem> items;
  for (const Ids& text : texts) items.push_back({text, 1});
  std::vector<size_t> seen;
  RunPacked(model->executor(), items, 64, nullptr,
            [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
              if (rows.size() > 3) throw Error(Status::kOomDevice, "too many");
              model->executor().Prefill(rows, nullptr);
              for (const PackedOutputs& of_row : outputs) seen.push_back(of_row.item);
            });
  ASSERT_EQ(seen.size(), texts.size());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  ExpectError(Status::kOomDevice, {"too many"}, [&] {
    RunPacked(model->executor(), items, 64, nullptr,
              [&](Executor::Rows, auto) { throw Error(Status::kOomDevice, "too many"); });
  });
}

}  // namespace
}  // namespace inference
