// Generation by callback and by stepper, and every way it can end.
#include <csignal>
#include <cstdlib>
#include <thread>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Generate, GoldenIds) {
  const Session session = NewSession();
  const Request request = NewRequest();
  Collector got;
  auto result = Sized<inf_result>();
  ASSERT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &got, &result, &err));
  EXPECT_EQ(got.ids, GoldenContinuation());
  EXPECT_EQ(got.events, 1 + 40 + (got.text.empty() ? 0 : got.events - 41));
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_LENGTH});
  EXPECT_EQ(result.prompt_tokens, 5u);
  EXPECT_EQ(result.cached_tokens, 0u);
  EXPECT_EQ(result.generated_tokens, 40u);
  EXPECT_GT(result.prefill_tok_s, 0.0);
  EXPECT_GT(result.decode_tok_s, 0.0);
  EXPECT_GE(result.total_ns, result.prefill_ns + result.decode_ns);
  EXPECT_GE(result.peak_bytes, result.active_bytes);

  auto metrics = Sized<inf_metrics>();
  ASSERT_OK(inf_session_metrics(session.get(), &metrics, &err));
  EXPECT_EQ(metrics.requests, 1u);
  EXPECT_EQ(metrics.prompt_tokens, 5u);
  EXPECT_EQ(metrics.generated_tokens, 40u);
  EXPECT_GT(metrics.kv_bytes, 0u);
}

TEST(Generate, APromptThatBeginsWithBosGetsNoSecondOne) {
  const std::string bos = "<|begin_of_text|>";
  const auto held = [&](const std::string& text, uint32_t flags) {
    const Session session = NewSession();
    const Request request = NewRequest();
    EXPECT_OK(inf_request_set_text(request.get(), text.data(), text.size(), flags, &err));
    EXPECT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
    Tokens tokens;
    EXPECT_OK(inf_session_tokens(session.get(), &tokens, &err));
    return List(tokens);
  };
  const uint32_t both = INF_ADD_SPECIAL | INF_PARSE_SPECIAL;
  const Ids plain = held("Once", both);
  EXPECT_EQ(plain[0], 480);
  EXPECT_NE(plain[1], 480);
  EXPECT_EQ(held(bos + "Once", both), plain);
  EXPECT_EQ(held(bos + "Once", INF_PARSE_SPECIAL), plain);
  EXPECT_EQ(held(bos + bos + "Once", both)[1], 480);      // asked for
  EXPECT_NE(held(bos + "Once", INF_ADD_SPECIAL), plain);  // text like any other
  // What a text's ids are is for the tokenizer alone to say.
  Tokens tokens;
  const std::string text = bos + "Once";
  ASSERT_OK(inf_tokenize(SharedTokenizer(), text.data(), text.size(), both, &tokens, &err));
  EXPECT_EQ(List(tokens)[0], 480);
  EXPECT_EQ(List(tokens)[1], 480);
}

TEST(Generate, StepperEqualsCallback) {
  const Session session = NewSession();
  const Request request = NewRequest();
  Collector by_callback, by_steps;
  ASSERT_OK(
      inf_generate(session.get(), request.get(), Collector::OnEvent, &by_callback, nullptr, &err));
  ASSERT_OK(inf_session_reset(session.get(), &err));
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  const inf_event* event = nullptr;
  inf_status status = INF_OK;
  while ((status = inf_gen_next(gen.get(), &event, nullptr)) == INF_OK) {
    EXPECT_EQ(event->struct_size, sizeof(inf_event));
    by_steps.Add(*event);
  }
  EXPECT_EQ(status, INF_DONE);
  EXPECT_EQ(inf_gen_next(gen.get(), &event, nullptr), INF_DONE);
  EXPECT_EQ(by_steps.ids, by_callback.ids);
  EXPECT_EQ(by_steps.text, by_callback.text);
  EXPECT_EQ(by_steps.events, by_callback.events);
  auto result = Sized<inf_result>();
  ASSERT_OK(inf_gen_result(gen.get(), &result, &err));
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_LENGTH});
}

TEST(Generate, TheStepperKeepsTheSessionBusyUntilItIsFreed) {
  const Session session = NewSession();
  const Request request = NewRequest();
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  EXPECT_FAILS(INF_E_BUSY, "session", inf_session_reset(session.get(), &err));
  Gen second;
  EXPECT_FAILS(INF_E_BUSY, "session",
               inf_gen_start(session.get(), request.get(), second.out(), &err));
  EXPECT_EQ(second.get(), nullptr);
  EXPECT_EQ(inf_session_length(session.get()), 0u);
  gen.reset();
  ExpectWorks(session.get());
}

TEST(Generate, TheStepperOutlivesTheHandlesItWasMadeOf) {
  Model model = LoadModel(kTinyModel);
  Session session = NewSession(0, model.get());
  Request request = NewRequest();
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  model.reset();
  session.reset();
  request.reset();
  Collector got;
  const inf_event* event = nullptr;
  while (inf_gen_next(gen.get(), &event, nullptr) == INF_OK) got.Add(*event);
  EXPECT_EQ(got.ids, GoldenContinuation());
}

TEST(Generate, AStopIsSuccess) {
  const Session session = NewSession();
  for (const int at : {0, 1, 2, 10}) {
    ASSERT_OK(inf_session_reset(session.get(), &err));
    Collector got{.at = at, .answer = 1};
    auto result = Sized<inf_result>();
    ASSERT_OK(
        inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &got, &result, &err));
    EXPECT_EQ(got.events, at + 1);
    EXPECT_EQ(result.finish, uint32_t{INF_FINISH_STOPPED});
    EXPECT_EQ(result.generated_tokens, static_cast<uint64_t>(at));
  }
  ExpectWorks(session.get());
}

TEST(Generate, AnAbortKeepsItsValue) {
  const Session session = NewSession();
  Collector got{.at = 3, .answer = -1234};
  auto result = Sized<inf_result>();
  Err err;
  EXPECT_EQ(
      inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &got, &result, &err),
      INF_E_CALLBACK);
  EXPECT_EQ(err.domain, INF_DOMAIN_CALLBACK);
  EXPECT_EQ(err.sub, -1234);
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_ERROR});
  EXPECT_EQ(result.generated_tokens, 3u);
  ExpectWorks(session.get());
}

TEST(Generate, AThrowingCallbackIsCaught) {
  const Session session = NewSession();
  const inf_event_fn throws = [](void*, const inf_event*) -> int32_t { throw 42; };
  EXPECT_FAILS(INF_E_CALLBACK, "threw",
               inf_generate(session.get(), NewRequest().get(), throws, nullptr, nullptr, &err));
  ExpectWorks(session.get());
}

TEST(Generate, WithoutACallback) {
  const Session session = NewSession();
  auto result = Sized<inf_result>();
  ASSERT_OK(inf_generate(session.get(), NewRequest().get(), nullptr, nullptr, &result, &err));
  EXPECT_EQ(result.generated_tokens, 40u);
  EXPECT_EQ(inf_session_length(session.get()), 5u + 39u);
}

// ---- cancel ----

struct CancelAt {
  inf_cancel* cancel;
  int at, events = 0;
  static int32_t OnEvent(void* user, const inf_event*) {
    auto& self = *static_cast<CancelAt*>(user);
    if (self.events++ == self.at) inf_cancel_trigger(self.cancel);
    return 0;
  }
};

Cancel NewCancel() {
  Cancel cancel;
  EXPECT_OK(inf_cancel_new(cancel.out(), &err));
  return cancel;
}

TEST(GenerateCancel, BeforeItBeganAndStickyUntilReset) {
  const Session session = NewSession();
  const Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  for (int i = 0; i < 1000; ++i) inf_cancel_trigger(cancel.get());
  EXPECT_EQ(inf_cancel_is_set(cancel.get()), 1);
  for (int again = 0; again < 2; ++again) {
    auto result = Sized<inf_result>();
    EXPECT_FAILS(INF_E_CANCELLED, "cancelled",
                 inf_generate(session.get(), request.get(), nullptr, nullptr, &result, &err));
    EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CANCELLED});
    EXPECT_EQ(inf_session_length(session.get()), 0u);
  }
  inf_cancel_reset(cancel.get());
  EXPECT_EQ(inf_cancel_is_set(cancel.get()), 0);
  ASSERT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
  ExpectWorks(session.get());
}

TEST(GenerateCancel, InsideTheCallback) {
  const Session session = NewSession();
  const Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  CancelAt state{cancel.get(), 5};
  auto result = Sized<inf_result>();
  EXPECT_FAILS(
      INF_E_CANCELLED, "generate",
      inf_generate(session.get(), request.get(), CancelAt::OnEvent, &state, &result, &err));
  EXPECT_EQ(state.events, 6);
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CANCELLED});
  EXPECT_EQ(result.generated_tokens, 5u);
  EXPECT_EQ(inf_session_length(session.get()), 5u + 4u);
  ExpectWorks(session.get());
}

TEST(GenerateCancel, WhileTheChatIsRendered) {
  const std::string endless =
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "template_effort", 15, 1000, &err));
  const Model model = LoadModel(kTinyModel, config.get());
  Tokenizer tokenizer;
  ASSERT_OK(inf_model_tokenizer(model.get(), tokenizer.out(), &err));
  Chat chat;
  ASSERT_OK(inf_chat_new(tokenizer.get(), chat.out(), &err));
  ASSERT_OK(inf_chat_set_template(chat.get(), endless.data(), endless.size(), &err));
  const Session session = NewSession(0, model.get());
  const Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_chat(request.get(), chat.get(), &err));
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    inf_cancel_trigger(cancel.get());
  });
  auto result = Sized<inf_result>();
  EXPECT_FAILS(INF_E_CANCELLED, "chat template: cancelled",
               inf_generate(session.get(), request.get(), nullptr, nullptr, &result, &err));
  other.join();
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CANCELLED});
  EXPECT_EQ(inf_session_length(session.get()), 0u);
}

TEST(GenerateCancel, FromAnotherThread) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "prefill_chunk", 13, 1, &err));
  const Model model = LoadModel(kTinyModel, config.get());
  const Session session = NewSession(0, model.get());
  const Cancel cancel = NewCancel();
  const Request request = NewRequest(Ids(400, 7), 100);
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  for (int ms = 0; ms < 30; ms += 3) {
    inf_cancel_reset(cancel.get());
    ASSERT_OK(inf_session_reset(session.get(), &err));
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
      inf_cancel_trigger(cancel.get());
    });
    const inf_status status =
        inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, nullptr);
    other.join();
    EXPECT_TRUE(status == INF_OK || status == INF_E_CANCELLED) << inf_status_name(status);
    if (status == INF_OK) continue;
    Tokens held;
    ASSERT_OK(inf_session_tokens(session.get(), &held, &err));
    EXPECT_EQ(held.len, inf_session_length(session.get()));
  }
  ExpectWorks(session.get());
}

inf_cancel* g_cancel_of_signal = nullptr;

TEST(GenerateCancel, FromASignalHandler) {
  const Session session = NewSession();
  const Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  g_cancel_of_signal = cancel.get();
  const auto before = std::signal(SIGUSR1, [](int) { inf_cancel_trigger(g_cancel_of_signal); });
  const inf_event_fn raise = [](void*, const inf_event*) { return std::raise(SIGUSR1); };
  EXPECT_FAILS(INF_E_CANCELLED, "generate",
               inf_generate(session.get(), request.get(), raise, nullptr, nullptr, &err));
  std::signal(SIGUSR1, before);
  ExpectWorks(session.get());
}

TEST(GenerateCancel, TheStepperRepeatsItsError) {
  const Session session = NewSession();
  const Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  const inf_event* event = nullptr;
  ASSERT_OK(inf_gen_next(gen.get(), &event, &err));
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "generate", inf_gen_next(gen.get(), &event, &err));
  inf_cancel_reset(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "generate", inf_gen_next(gen.get(), &event, &err));
  auto result = Sized<inf_result>();
  ASSERT_OK(inf_gen_result(gen.get(), &result, &err));
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CANCELLED});
}

TEST(GenerateCancel, ARequestKeepsItsCancelObjectAlive) {
  const Session session = NewSession();
  Cancel cancel = NewCancel();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  inf_cancel_trigger(cancel.get());
  cancel.reset();
  EXPECT_FAILS(INF_E_CANCELLED, "generate",
               inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
  ASSERT_OK(inf_request_set_cancel(request.get(), nullptr, &err));
  ASSERT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
}

// ---- context and prompts ----

TEST(Context, FullIsAResult) {
  const Session session = NewSession(8);
  EXPECT_EQ(inf_session_capacity(session.get()), 8u);
  Collector got;
  auto result = Sized<inf_result>();
  ASSERT_OK(
      inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &got, &result, &err));
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CONTEXT_FULL});
  EXPECT_EQ(got.ids.size(), 4u);
  EXPECT_EQ(inf_session_length(session.get()), 8u);
}

TEST(Context, APromptThatDoesNotFitChangesNothing) {
  const Session session = NewSession(4);
  EXPECT_FAILS(INF_E_CONTEXT_FULL, "5 tokens do not fit",
               inf_generate(session.get(), NewRequest().get(), nullptr, nullptr, nullptr, &err));
  EXPECT_EQ(inf_session_length(session.get()), 0u);
  const Session whole = NewSession();
  EXPECT_FAILS(
      INF_E_CONTEXT_FULL, "513 tokens do not fit",
      inf_generate(whole.get(), NewRequest(Ids(513, 7)).get(), nullptr, nullptr, nullptr, &err));
  auto result = Sized<inf_result>();
  ASSERT_OK(
      inf_generate(whole.get(), NewRequest(Ids(512, 7)).get(), nullptr, nullptr, &result, &err));
  EXPECT_EQ(result.finish, uint32_t{INF_FINISH_CONTEXT_FULL});
  EXPECT_EQ(result.generated_tokens, 1u);
}

TEST(Context, PromptsThatCannotBe) {
  const Session session = NewSession();
  const auto run = [&](const Ids& prompt, inf_error* err) {
    return inf_generate(session.get(), NewRequest(prompt).get(), nullptr, nullptr, nullptr, err);
  };
  EXPECT_FAILS(INF_E_ARG, "prompt: is empty", run({}, &err));
  EXPECT_FAILS(INF_E_ARG, "token 1: id is -1, the vocabulary is 0..511", run({5, -1}, &err));
  EXPECT_FAILS(INF_E_ARG, "id is 512", run({512}, &err));
  Request none;
  ASSERT_OK(inf_request_new(none.out(), &err));
  EXPECT_FAILS(INF_E_STATE, "has no prompt",
               inf_generate(session.get(), none.get(), nullptr, nullptr, nullptr, &err));
  ExpectWorks(session.get());
}

TEST(Context, TextPrompts) {
  const Session session = NewSession();
  const Request request = NewRequest();
  const std::string text = "The quick brown fox";
  ASSERT_OK(inf_request_set_text(request.get(), text.data(), text.size(),
                                 INF_ADD_SPECIAL | INF_PARSE_SPECIAL, &err));
  Collector got;
  ASSERT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &got, nullptr, &err));
  EXPECT_EQ(got.ids, GoldenContinuation());
}

TEST(Context, AChatReusesWhatTheSessionHolds) {
  Chat chat;
  ASSERT_OK(inf_chat_new(SharedTokenizer(), chat.out(), &err));
  ASSERT_OK(inf_chat_set_template(chat.get(), "llama3", 6, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "Hi there", 8, &err));
  const Session session = NewSession();
  const Request request = NewRequest(kPrompt, 8);
  ASSERT_OK(inf_request_set_chat(request.get(), chat.get(), &err));
  auto first = Sized<inf_result>();
  Collector answer;
  ASSERT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &answer, &first, &err));
  EXPECT_EQ(first.cached_tokens, 0u);

  // The request has its own copy: the same turn again is cached but for the last token.
  ASSERT_OK(inf_chat_add(chat.get(), "assistant", 9, "Hello.", 6, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "Bye", 3, &err));
  auto second = Sized<inf_result>();
  Collector again;
  ASSERT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &again, &second, &err));
  EXPECT_EQ(second.prompt_tokens, first.prompt_tokens);
  EXPECT_EQ(second.cached_tokens, first.prompt_tokens - 1);
  EXPECT_EQ(again.ids, answer.ids);

  ASSERT_OK(inf_request_set_chat(request.get(), chat.get(), &err));
  auto third = Sized<inf_result>();
  ASSERT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, &third, &err));
  EXPECT_GT(third.prompt_tokens, first.prompt_tokens);
  EXPECT_GE(third.cached_tokens, first.prompt_tokens);
}

TEST(Context, LogitsAreThoseOfEveryToken) {
  const Session session = NewSession();
  Floats all, parts;
  ASSERT_OK(inf_session_logits(session.get(), kPrompt.data(), 5, nullptr, &all, &err));
  ASSERT_EQ(all.len, 5u * 512u);
  EXPECT_EQ(inf_session_length(session.get()), 5u);
  const float* last = all.data + 4 * 512;
  EXPECT_EQ(std::max_element(last, last + 512) - last, GoldenContinuation()[0]);
  ASSERT_OK(inf_session_reset(session.get(), &err));
  ASSERT_OK(inf_session_logits(session.get(), kPrompt.data(), 3, nullptr, &parts, &err));
  ASSERT_OK(inf_session_logits(session.get(), kPrompt.data() + 3, 2, nullptr, &parts, &err));
  EXPECT_EQ(std::memcmp(parts.data, all.data + 3 * 512, 2 * 512 * sizeof(float)), 0);
  EXPECT_FAILS(INF_E_CONTEXT_FULL, "508 tokens do not fit, it holds 5 of 512",
               inf_session_logits(session.get(), Ids(508, 7).data(), 508, nullptr, &parts, &err));
  EXPECT_EQ(parts.len, 2u * 512u);
  const Cancel cancel = NewCancel();
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "logits",
               inf_session_logits(session.get(), kPrompt.data(), 5, cancel.get(), &parts, &err));
  EXPECT_EQ(inf_session_length(session.get()), 5u);
}

TEST(Context, FinishNames) {
  EXPECT_STREQ(inf_finish_name(INF_FINISH_END), "end");
  EXPECT_STREQ(inf_finish_name(INF_FINISH_LENGTH), "length");
  EXPECT_STREQ(inf_finish_name(INF_FINISH_CONTEXT_FULL), "context_full");
  EXPECT_STREQ(inf_finish_name(INF_FINISH_STOPPED), "stopped");
  EXPECT_STREQ(inf_finish_name(INF_FINISH_CANCELLED), "cancelled");
  EXPECT_STREQ(inf_finish_name(99), "unknown");
}

}  // namespace
}  // namespace inference::capi_test
