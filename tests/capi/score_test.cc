// Scoring through the C ABI: golden values, what the outputs are on success and after an error.
#include <cmath>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

const std::vector<inf_token> kContext = {480, 350, 367, 370};
const std::vector<inf_token> kContinuation = {368, 369};

TEST(Score, TokensAndTextsAgreeAndShareTheContext) {
  const Session session = NewSession();
  auto desc = Sized<inf_score_desc>();
  Floats per_token;
  ASSERT_OK(inf_score(session.get(), kContext.data(), kContext.size(), kContinuation.data(),
                      kContinuation.size(), nullptr, &desc, &per_token, &err));
  ASSERT_EQ(per_token.len, 2u);
  EXPECT_NEAR(per_token.data[0], -14.590262020850984, 1e-4);
  EXPECT_NEAR(per_token.data[1], -10.482747617963618, 1e-4);
  EXPECT_EQ(desc.tokens, 2u);
  EXPECT_EQ(desc.is_greedy, 0u);
  EXPECT_EQ(desc.cached_tokens, 0u);
  EXPECT_NEAR(desc.total_logprob,
              static_cast<double>(per_token.data[0]) + static_cast<double>(per_token.data[1]),
              1e-5);
  EXPECT_EQ(inf_session_length(session.get()), 5u);  // the last token is only predicted

  const double total = desc.total_logprob;
  Tokens ids;
  ASSERT_OK(inf_score_text(session.get(), "The quick brown", 15, " fox jumps", 10, nullptr, &desc,
                           &ids, nullptr, &err));
  EXPECT_EQ(std::vector<inf_token>(ids.data, ids.data + ids.len), kContinuation);
  EXPECT_EQ(desc.total_logprob, total);
  EXPECT_EQ(desc.cached_tokens, kContext.size() - 1);
  EXPECT_OK(inf_score(session.get(), kContext.data(), kContext.size(), kContinuation.data(), 2,
                      nullptr, nullptr, nullptr, &err));
}

TEST(Score, RollingReportsAndCanBeStopped) {
  const Session session = NewSession();
  const std::vector<inf_token> ids(30, 7);
  auto desc = Sized<inf_score_desc>();
  Floats per_token;
  int calls = 0;
  const auto count = [](void* user, const inf_event* event) -> int32_t {
    EXPECT_EQ(event->kind, static_cast<uint32_t>(INF_EVENT_PROGRESS));
    EXPECT_EQ(event->total, 29u);
    return ++*static_cast<int*>(user) == 3 ? 1 : 0;
  };
  EXPECT_FAILS(INF_E_CANCELLED, "scoring: stopped by the progress callback",
               inf_score_rolling(session.get(), ids.data(), ids.size(), 6, 2, nullptr, count,
                                 &calls, &desc, &per_token, &err));
  EXPECT_EQ(per_token.len, 0u);
  EXPECT_EQ(desc.tokens, 0u);
  ASSERT_OK(inf_score_rolling(session.get(), ids.data(), ids.size(), 0, 0, nullptr, nullptr,
                              nullptr, &desc, &per_token, &err));
  EXPECT_EQ(per_token.len, 29u);
  ASSERT_OK(inf_score_rolling(session.get(), ids.data(), 1, 0, 0, nullptr, nullptr, nullptr, &desc,
                              &per_token, &err));
  EXPECT_EQ(per_token.len, 0u);
  EXPECT_EQ(desc.total_logprob, 0.0);
}

TEST(Score, NextTopGivesADistribution) {
  const Session session = NewSession();
  auto desc = Sized<inf_next_desc>();
  Tokens ids;
  Floats logprobs;
  ASSERT_OK(inf_next_top(session.get(), kContext.data(), kContext.size(), 8, nullptr, &ids,
                         &logprobs, &desc, &err));
  ASSERT_EQ(ids.len, 8u);
  ASSERT_EQ(logprobs.len, 8u);
  EXPECT_EQ(desc.tail, static_cast<uint32_t>(INF_TAIL_SOME));
  double sum = std::exp(desc.tail_logprob);
  for (size_t i = 0; i < 8; ++i) sum += std::exp(static_cast<double>(logprobs.data[i]));
  EXPECT_NEAR(sum, 1.0, 1e-6);
  EXPECT_OK(
      inf_next_top(session.get(), kContext.data(), 2, 1, nullptr, nullptr, nullptr, nullptr, &err));
}

TEST(Score, ErrorsLeaveOutputsAndSessionAlone) {
  const Session session = NewSession();
  auto desc = Sized<inf_score_desc>();
  Floats per_token;
  EXPECT_FAILS(INF_E_ARG, "context is empty",
               inf_score(session.get(), nullptr, 0, kContinuation.data(), 2, nullptr, &desc,
                         &per_token, &err));
  EXPECT_FAILS(
      INF_E_ARG, "continuation is empty",
      inf_score(session.get(), kContext.data(), 4, nullptr, 0, nullptr, &desc, &per_token, &err));
  const std::vector<inf_token> many(600, 7);
  EXPECT_FAILS(INF_E_CONTEXT_FULL, "601 tokens do not fit",
               inf_score(session.get(), many.data(), many.size(), kContinuation.data(), 2, nullptr,
                         &desc, &per_token, &err));
  EXPECT_FAILS(
      INF_E_ARG, "completion: adds no token",
      inf_score_text(session.get(), "a", 1, "", 0, nullptr, &desc, nullptr, nullptr, &err));
  EXPECT_FAILS(
      INF_E_ARG, "top_k is 0",
      inf_next_top(session.get(), kContext.data(), 4, 0, nullptr, nullptr, nullptr, nullptr, &err));
  EXPECT_EQ(desc.tokens, 0u);
  EXPECT_EQ(per_token.len, 0u);
  EXPECT_EQ(inf_session_length(session.get()), 0u);
}

}  // namespace
}  // namespace inference::capi_test
