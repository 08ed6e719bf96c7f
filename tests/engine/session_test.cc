#include "engine/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

using testing::ElementsAre;

Ids LongIds(const std::string& model) { return TinyGolden(model)["long_ids"].get<Ids>(); }

const SampleOptions kGreedyOptions;
const SampleRow kGreedy{&kGreedyOptions, 0, {}};

std::span<const int32_t> First(const Ids& ids, size_t n) { return std::span(ids).first(n); }

TEST(SessionTest, HoldsWhatWasComputed) {
  Session session(TinyModel("llama-gqa"), 64);
  EXPECT_EQ(session.length(), 0);
  EXPECT_EQ(session.capacity(), 64);
  session.Prefill(Ids{480, 350, 367});
  session.PrefillAndSample(Ids{370}, kGreedy);
  EXPECT_THAT(session.tokens(), ElementsAre(480, 350, 367, 370));
  EXPECT_EQ(session.length(), 4);
  EXPECT_GT(session.kv_bytes(), 0u);
  session.Reset();
  EXPECT_EQ(session.length(), 0);
  EXPECT_TRUE(session.tokens().empty());
}

TEST(SessionTest, CapacityIsTheModelsUnlessAsked) {
  EXPECT_EQ(Session(TinyModel("llama-gqa"), 0).capacity(), 512);
  ExpectError(Status::kArg, {"session", "capacity is 513", "0..512"},
              [] { Session(TinyModel("llama-gqa"), 513); });
  ExpectError(Status::kArg, {"capacity is -1"}, [] { Session(TinyModel("llama-gqa"), -1); });
}

TEST(SessionTest, RefusesIdsThatAreNotInTheVocabulary) {
  Session session(TinyModel("llama-gqa"), 64);
  ExpectError(Status::kArg, {"token 1", "id is 512", "0..511"}, [&] {
    session.Prefill(Ids{5, 512});
  });
  ExpectError(Status::kArg, {"token 0", "id is -1"},
              [&] { session.PrefillAndSample(Ids{-1}, kGreedy); });
  EXPECT_EQ(session.length(), 0);
}

TEST(SessionTest, WhatDoesNotFitChangesNothing) {
  Session session(TinyModel("llama-gqa"), 4);
  session.Prefill(Ids{1, 2, 3});
  ExpectError(Status::kContextFull, {"2 tokens do not fit", "3 of 4"}, [&] {
    session.Prefill(Ids{4, 5});
  });
  EXPECT_THAT(session.tokens(), ElementsAre(1, 2, 3));
  session.Prefill(Ids{4});
  EXPECT_EQ(session.length(), 4);
}

TEST(SessionTest, AFailedStepLeavesTheSessionUsable) {
  const std::shared_ptr<Model> model = TinyModel("gemma3-text", 8);
  const Ids ids = LongIds("gemma3-text");
  Session other(model, 0);
  const std::vector<float> want = LogitsOf(other, ids);
  const size_t vocab_size = want.size() / ids.size();

  Session session(model, 0);
  LogitsOf(session, Ids(ids.begin(), ids.begin() + 40));
  const uint64_t limit = model->device()->memory().limit;
  model->device()->Trim();
  model->device()->SetMemoryLimit(1);  // the recording of a new shape finds no memory
  std::vector<float> logits(5 * vocab_size);
  EXPECT_ANY_THROW(session.PrefillLogits(std::span(ids).subspan(40, 5), logits));
  model->device()->SetMemoryLimit(limit);
  EXPECT_EQ(session.length(), 40);
  session.PrefillLogits(std::span(ids).subspan(40, 5), logits);
  EXPECT_TRUE(std::equal(logits.begin(), logits.end(),
                         want.begin() + static_cast<ptrdiff_t>(40 * vocab_size)));
}

class PrefixTest : public testing::TestWithParam<TinyCase> {};

// Cutting a session back and going on gives the bits of a fresh one.
TEST_P(PrefixTest, AfterACutAllIsAsInAFreshSession) {
  const std::shared_ptr<Model> model = GetParam().Load(8);
  const Ids ids = LongIds(GetParam().name);
  const auto vocab_size = model->network().dims().vocab_size;
  Session fresh(model, 0);
  const std::vector<float> want = LogitsOf(fresh, ids);
  for (const size_t keep : {0, 1, 7, 60, 100, 139, 145, 149, 150}) {
    Session session(model, 0);
    LogitsOf(session, ids);
    const auto kept = static_cast<size_t>(session.KeepPrefix(First(ids, keep)));
    EXPECT_TRUE(kept == keep || kept == 0) << kept;
    EXPECT_EQ(session.length(), static_cast<int64_t>(kept));
    const std::vector<float> got = LogitsOf(session, Ids(ids.begin() + kept, ids.end()));
    EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin() + kept * vocab_size, want.end()))
        << "kept " << kept << " of " << keep;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PrefixTest,
                         testing::Values(TinyCase{"llama-gqa"}, TinyCase{"gemma3-text"},
                                         TinyCase{"llama-gqa", DType::kQ8_0},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

TEST(SessionTest, AFullAttentionModelKeepsAnyPrefix) {
  Session session(TinyModel("llama-gqa", 8), 0);
  const Ids ids = LongIds("llama-gqa");
  LogitsOf(session, ids);
  EXPECT_EQ(session.KeepPrefix(First(ids, 3)), 3);
  EXPECT_EQ(session.KeepPrefix(Ids{ids[0], 9999}), 1);
  EXPECT_EQ(session.KeepPrefix(Ids{9999}), 0);
}

TEST(SessionTest, ASlidingWindowForgets) {
  Session session(TinyModel("gemma3-text", 8), 0);
  const Ids ids = LongIds("gemma3-text");
  LogitsOf(session, ids);
  EXPECT_EQ(session.KeepPrefix(First(ids, 149)), 149);
  // Rings of at least 12 + 8 positions were written up to 150: the cut does not change that.
  EXPECT_EQ(session.KeepPrefix(First(ids, 20)), 0);
}

TEST(SessionTest, MetricsAddUp) {
  Session session(TinyModel("llama-gqa"), 8);
  session.Count({.requests = 1, .prompt_tokens = 2, .decode_ns = 5});
  session.Count({.requests = 1, .generated_tokens = 3, .prefill_ns = 4, .decode_ns = 6});
  const RequestMetrics metrics = session.metrics();
  EXPECT_EQ(metrics.requests, 2u);
  EXPECT_EQ(metrics.prompt_tokens, 2u);
  EXPECT_EQ(metrics.generated_tokens, 3u);
  EXPECT_EQ(metrics.prefill_ns, 4u);
  EXPECT_EQ(metrics.decode_ns, 11u);
}

}  // namespace
}  // namespace inference
