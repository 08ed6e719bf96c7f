// Contexts that outgrow their sessions, through the C ABI.
#include <map>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

struct Ran {
  Ids ids;
  inf_result result;
};

Ran Generate(const Session& session, const Request& request) {
  Collector got;
  auto result = Sized<inf_result>();
  EXPECT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &got, &result, &err));
  return {got.ids, result};
}

Request Sliding(const Ids& prompt, int32_t max_tokens, uint32_t policy = INF_OVERFLOW_SLIDE,
                uint64_t keep_head = 0) {
  Request request = NewRequest(prompt, max_tokens);
  EXPECT_OK(inf_request_set_overflow(request.get(), policy, keep_head, &err));
  return request;
}

// What new sessions give: each is told what is left, and makes what fits.
Ran Wanted(Ids context, int32_t max_tokens, size_t capacity, size_t head = 0) {
  Ran want = {{}, {}};
  while (want.ids.size() < static_cast<size_t>(max_tokens)) {
    if (context.size() > capacity) {
      const auto begin = context.begin() + static_cast<std::ptrdiff_t>(head);
      const auto end = context.end() - static_cast<std::ptrdiff_t>((capacity - head + 1) / 2);
      want.result.dropped_tokens += static_cast<uint64_t>(end - begin);
      ++want.result.overflows;
      context.erase(begin, end);
    }
    const size_t left = static_cast<size_t>(max_tokens) - want.ids.size();
    const size_t n = std::min(left, capacity + 1 - context.size());
    const Ids part = Generate(NewSession(), NewRequest(context, static_cast<int32_t>(n))).ids;
    want.ids.insert(want.ids.end(), part.begin(), part.end());
    context.insert(context.end(), part.begin(), part.end());
  }
  return want;
}

void ExpectSame(const Ran& got, const Ran& want) {
  EXPECT_EQ(got.ids, want.ids);
  EXPECT_EQ(got.result.finish, uint32_t{INF_FINISH_LENGTH});
  EXPECT_EQ(got.result.dropped_tokens, want.result.dropped_tokens);
  EXPECT_EQ(got.result.overflows, want.result.overflows);
}

TEST(Overflow, ATextGoesOnPastTheCapacity) {
  for (const uint64_t head : {0, 3, 14}) {
    const Session session = NewSession(16);
    const uint32_t policy = head == 0 ? INF_OVERFLOW_SLIDE : INF_OVERFLOW_KEEP_HEAD;
    const Ran got = Generate(session, Sliding(kPrompt, 40, policy, head));
    ExpectSame(got, Wanted(kPrompt, 40, 16, head));
    EXPECT_GE(got.result.overflows, 3u);
    EXPECT_EQ(got.result.prompt_tokens, 5u);
    EXPECT_EQ(got.result.generated_tokens, 40u);
    // Until then it is the text of any session.
    EXPECT_TRUE(std::equal(got.ids.begin(), got.ids.begin() + 12, GoldenContinuation().begin()));
    EXPECT_LE(inf_session_length(session.get()), 16u);
  }
}

TEST(Overflow, ALongPromptIsCut) {
  Ids prompt;
  for (int32_t i = 0; i < 100; ++i) prompt.push_back(7 + i * 3);
  const Session session = NewSession(32);
  const Ran got = Generate(session, Sliding(prompt, 8, INF_OVERFLOW_KEEP_HEAD, 4));
  ExpectSame(got, Wanted(prompt, 8, 32, 4));
  EXPECT_EQ(got.result.dropped_tokens, 100u - 18);
  EXPECT_EQ(got.result.prompt_tokens, 100u);
  Ids kept(prompt.begin(), prompt.begin() + 4);
  kept.insert(kept.end(), prompt.end() - 14, prompt.end());
  Tokens held;
  ASSERT_OK(inf_session_tokens(session.get(), &held, &err));
  EXPECT_EQ(Ids(held.data, held.data + 18), kept);
}

// "n_ctx", the context length of a load, bounds the memory of sessions and not their texts.
TEST(Overflow, AModelOfAShortContextLengthDoes) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "n_ctx", 5, 64, &err));
  const Model model = LoadModel(kTinyModel, config.get());
  const auto run = [&](int32_t max_tokens) {
    const Session session = NewSession(0, model.get());
    ExpectSame(Generate(session, Sliding(kPrompt, max_tokens)), Wanted(kPrompt, max_tokens, 64));
    auto metrics = Sized<inf_metrics>();
    EXPECT_OK(inf_session_metrics(session.get(), &metrics, &err));
    return metrics.kv_bytes;
  };
  const uint64_t full = run(60);
  EXPECT_GT(full, 0u);
  EXPECT_LE(run(300), full);
}

TEST(Overflow, AChatKeepsItsSystemMessage) {
  Chat chat;
  ASSERT_OK(inf_chat_new(SharedTokenizer(), chat.out(), &err));
  ASSERT_OK(inf_chat_set_template(chat.get(), "llama3", 6, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "system", 6, "Be brief.", 9, &err));
  Tokens system;
  ASSERT_OK(inf_chat_render(chat.get(), 0, nullptr, &system, &err));
  const Session session = NewSession(2 * system.len + 20);
  for (int turn = 0; turn < 6; ++turn) {
    ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "And what comes next?", 20, &err));
    Tokens whole;
    ASSERT_OK(inf_chat_render(chat.get(), INF_ADD_GENERATION_PROMPT, nullptr, &whole, &err));
    const Request request = Sliding({1}, 10, INF_OVERFLOW_KEEP_HEAD, system.len);
    ASSERT_OK(inf_request_set_chat(request.get(), chat.get(), &err));
    const Ran got = Generate(session, request);
    ExpectSame(got, Wanted(List(whole), 10, 2 * system.len + 20, system.len));
    EXPECT_EQ(got.result.overflows > 0, whole.len + 9 > 2 * system.len + 20) << turn;
    Tokens held;
    ASSERT_OK(inf_session_tokens(session.get(), &held, &err));
    EXPECT_EQ(Ids(held.data, held.data + system.len), List(system));
    ASSERT_OK(inf_chat_add(chat.get(), "assistant", 9, "It goes on.", 11, &err));
  }
}

int32_t Gather(void* user, const inf_batch_event* event) {
  Ran& ran = (*static_cast<std::map<uint64_t, Ran>*>(user))[event->id];
  if (event->result != nullptr) {
    EXPECT_EQ(event->status, INF_OK) << event->message;
    ran.result = *event->result;
  } else if (event->event->kind == INF_EVENT_TOKEN && event->event->token >= 0) {
    ran.ids.push_back(event->event->token);
  }
  return 0;
}

TEST(Overflow, RequestsOfABatchDo) {
  Batch batch;
  ASSERT_OK(inf_batch_new(SharedModel(), nullptr, batch.out(), &err));
  const Session small = NewSession(16), larger = NewSession(40);
  const Request request = Sliding(kPrompt, 60);
  uint64_t first = 0, second = 0;
  ASSERT_OK(inf_batch_add(batch.get(), small.get(), request.get(), &first, &err));
  ASSERT_OK(inf_batch_add(batch.get(), larger.get(), request.get(), &second, &err));
  std::map<uint64_t, Ran> got;
  ASSERT_OK(inf_batch_run(batch.get(), Gather, &got, &err));
  ExpectSame(got[first], Wanted(kPrompt, 60, 16));
  ExpectSame(got[second], Wanted(kPrompt, 60, 40));
}

TEST(Overflow, AResultOfTheFirstHeaderHasNoRoomForIt) {
  const Session session = NewSession(16);
  auto result = Sized<inf_result>();
  result.struct_size = offsetof(inf_result, dropped_tokens);
  result.dropped_tokens = 77;
  result.overflows = 78;
  ASSERT_OK(
      inf_generate(session.get(), Sliding(kPrompt, 40).get(), nullptr, nullptr, &result, &err));
  EXPECT_EQ(result.generated_tokens, 40u);
  EXPECT_EQ(result.dropped_tokens, 77u);
  EXPECT_EQ(result.overflows, 78u);
}

TEST(Overflow, WhatIsNoPolicyIsRefused) {
  const Request request = Sliding(kPrompt, 40);
  const auto set = [&](uint32_t policy, uint64_t keep_head, inf_error* err) {
    return inf_request_set_overflow(request.get(), policy, keep_head, err);
  };
  EXPECT_FAILS(INF_E_ARG, "policy: is 3, want 0..2", set(3, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "policy: is 4294967295", set(UINT32_MAX, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "keep_head: is 0, want 1", set(INF_OVERFLOW_KEEP_HEAD, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "keep_head: is 18446744073709551615, want 1 to 2^63-1",
               set(INF_OVERFLOW_KEEP_HEAD, UINT64_MAX, &err));
  EXPECT_FAILS(INF_E_ARG, "keep_head: is 4, want 0", set(INF_OVERFLOW_SLIDE, 4, &err));
  EXPECT_FAILS(INF_E_ARG, "keep_head: is 4, want 0", set(INF_OVERFLOW_ERROR, 4, &err));
  // It has what it had; then the default again.
  const Session session = NewSession(16);
  EXPECT_EQ(Generate(session, request).ids.size(), 40u);
  ASSERT_OK(inf_session_reset(session.get(), &err));
  ASSERT_OK(set(INF_OVERFLOW_ERROR, 0, &err));
  EXPECT_EQ(Generate(session, request).result.finish, uint32_t{INF_FINISH_CONTEXT_FULL});
}

TEST(Overflow, WhatTheSessionCannotDoIsRefusedWhereItRuns) {
  const Session session = NewSession(16);
  const auto run = [&](const Request& request, const Session& in, inf_error* err) {
    return inf_generate(in.get(), request.get(), nullptr, nullptr, nullptr, err);
  };
  EXPECT_FAILS(INF_E_ARG, "overflow: the head is 15 tokens, want 0..14",
               run(Sliding(kPrompt, 4, INF_OVERFLOW_KEEP_HEAD, 15), session, &err));
  EXPECT_FAILS(INF_E_ARG, "overflow: the head is 9223372036854775807 tokens",
               run(Sliding(kPrompt, 4, INF_OVERFLOW_KEEP_HEAD, INT64_MAX), session, &err));
  EXPECT_FAILS(INF_E_ARG, "overflow: the session's capacity is 1, want 2 or more",
               run(Sliding({5}, 4), NewSession(1), &err));
  const Request scored = Sliding(kPrompt, 4);
  ASSERT_OK(inf_request_set_logprobs(scored.get(), INF_LOGPROBS_PROMPT, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "overflow: log-probabilities of the prompt", run(scored, session, &err));
  EXPECT_EQ(inf_session_length(session.get()), 0u);
  Batch batch;
  ASSERT_OK(inf_batch_new(SharedModel(), nullptr, batch.out(), &err));
  uint64_t id = 77;
  EXPECT_FAILS(INF_E_ARG, "overflow: the head is 15 tokens",
               inf_batch_add(batch.get(), session.get(),
                             Sliding(kPrompt, 4, INF_OVERFLOW_KEEP_HEAD, 15).get(), &id, &err));
  EXPECT_EQ(id, 77u);
}

TEST(Overflow, ARequestThatRunsIsBusy) {
  const Request request = Sliding(kPrompt, 4);
  const auto in_call = [](void* user, const inf_event*) {
    EXPECT_FAILS(
        INF_E_BUSY, "request",
        inf_request_set_overflow(static_cast<inf_request*>(user), INF_OVERFLOW_ERROR, 0, &err));
    return int32_t{0};
  };
  EXPECT_OK(inf_generate(NewSession().get(), request.get(), in_call, request.get(), nullptr, &err));
}

}  // namespace
}  // namespace inference::capi_test
