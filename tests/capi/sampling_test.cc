// Stop strings, stop tokens, bias, penalties, filters and log-probabilities of requests.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Outcome {
  Collector got;
  inf_result result = Sized<inf_result>();
};

Outcome Generate(const Request& request, inf_session* session = nullptr) {
  Session own;
  if (session == nullptr) own = NewSession();
  Outcome run;
  EXPECT_OK(inf_generate(session == nullptr ? own.get() : session, request.get(),
                         Collector::OnEvent, &run.got, &run.result, &err));
  return run;
}

inf_sampling NewSampling(int32_t max_tokens = 40) {
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.max_tokens = max_tokens;
  sampling.flags = INF_SAMPLING_IGNORE_END;
  return sampling;
}

void SetSampling(const Request& request, const inf_sampling& sampling) {
  EXPECT_OK(inf_request_set_sampling(request.get(), &sampling, &err));
}

Ids ZeroTo(int32_t n) {
  Ids ids;
  for (int32_t id = 0; id < n; ++id) ids.push_back(id);
  return ids;
}

// n bytes of the text that are ASCII.
std::string AsciiPart(const std::string& text, size_t n) {
  for (size_t at = 0; at + n <= text.size(); ++at) {
    const std::string part = text.substr(at, n);
    if (std::ranges::all_of(part, [](char c) { return c > 0; })) return part;
  }
  ADD_FAILURE() << "no ASCII in " << text;
  return {};
}

TEST(CapiSampling, StopStrings) {
  const Outcome whole = Generate(NewRequest());
  const std::string stop = AsciiPart(whole.got.text, 3);
  const Request request = NewRequest();
  EXPECT_OK(inf_request_add_stop(request.get(), "not in the text", 15, &err));
  EXPECT_OK(inf_request_add_stop(request.get(), stop.data(), stop.size(), &err));
  const Outcome run = Generate(request);
  EXPECT_EQ(run.result.finish, uint32_t{INF_FINISH_STOP_STRING});
  EXPECT_STREQ(inf_finish_name(run.result.finish), "stop_string");
  EXPECT_EQ(run.got.text, whole.got.text.substr(0, whole.got.text.find(stop)));
  EXPECT_EQ(run.result.generated_tokens, run.got.ids.size());
  EXPECT_OK(inf_request_clear_stops(request.get(), &err));
  EXPECT_EQ(Generate(request).got.text, whole.got.text);
}

TEST(CapiSampling, StopTokens) {
  const Request request = NewRequest();
  const Ids& golden = GoldenContinuation();
  EXPECT_OK(inf_request_add_stop_token(request.get(), golden[6], &err));
  EXPECT_OK(inf_request_add_stop_token(request.get(), golden[6], &err));
  const Outcome run = Generate(request);
  EXPECT_EQ(run.result.finish, uint32_t{INF_FINISH_STOP_TOKEN});
  EXPECT_STREQ(inf_finish_name(run.result.finish), "stop_token");
  EXPECT_EQ(run.got.ids, Ids(golden.begin(), std::ranges::find(golden, golden[6])));
  EXPECT_OK(inf_request_clear_stops(request.get(), &err));
  EXPECT_EQ(Generate(request).got.ids, golden);
  // An id that the model does not have.
  EXPECT_OK(inf_request_add_stop_token(request.get(), 100000, &err));
  EXPECT_FAILS(INF_E_ARG, "stop token: id is 100000",
               inf_generate(NewSession().get(), request.get(), nullptr, nullptr, nullptr, &err));
}

TEST(CapiSampling, WhatIsNoStopIsRefused) {
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_ARG, "stop: is empty", inf_request_add_stop(request.get(), "", 0, &err));
  EXPECT_FAILS(INF_E_ARG, "text: is NULL", inf_request_add_stop(request.get(), nullptr, 1, &err));
  EXPECT_FAILS(INF_E_ARG, "is not UTF-8", inf_request_add_stop(request.get(), "\xC3", 1, &err));
  const std::string large(65537, 'x');
  EXPECT_FAILS(INF_E_LIMIT, "has 65537 bytes, at most 65536",
               inf_request_add_stop(request.get(), large.data(), large.size(), &err));
  EXPECT_FAILS(INF_E_ARG, "stop token: id is -1",
               inf_request_add_stop_token(request.get(), -1, &err));
  for (int i = 0; i < 1024; ++i) {
    EXPECT_OK(inf_request_add_stop(request.get(), "never there", 11, &err));
  }
  EXPECT_FAILS(INF_E_LIMIT, "at most 1024", inf_request_add_stop(request.get(), "x", 1, &err));
  EXPECT_EQ(Generate(request).got.ids, GoldenContinuation());
}

TEST(CapiSampling, Bias) {
  const Request request = NewRequest(kPrompt, 5);
  EXPECT_OK(inf_request_add_bias(request.get(), 77, -5.0f, &err));
  EXPECT_OK(inf_request_add_bias(request.get(), 77, 1000.0f, &err));  // replaces
  SetSampling(request, NewSampling(5));                               // leaves it
  EXPECT_EQ(Generate(request).got.ids, Ids(5, 77));
  EXPECT_OK(inf_request_clear_bias(request.get(), &err));
  const Ids& golden = GoldenContinuation();
  EXPECT_EQ(Generate(request).got.ids, Ids(golden.begin(), golden.begin() + 5));
  EXPECT_OK(inf_request_add_bias(request.get(), golden[0], -kInfinity, &err));
  EXPECT_NE(Generate(request).got.ids.at(0), golden[0]);
  for (const int32_t id : ZeroTo(512)) {
    EXPECT_OK(inf_request_add_bias(request.get(), id, -kInfinity, &err));
  }
  EXPECT_FAILS(INF_E_NUMERIC, "all tokens are banned",
               inf_generate(NewSession().get(), request.get(), nullptr, nullptr, nullptr, &err));
}

TEST(CapiSampling, WhatIsNoBiasIsRefused) {
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_ARG, "logit bias: id is -2",
               inf_request_add_bias(request.get(), -2, 1.0f, &err));
  for (const float bias : {kInfinity, std::nanf(""), 2e6f}) {
    EXPECT_FAILS(INF_E_ARG, "logit bias of token 3: is",
                 inf_request_add_bias(request.get(), 3, bias, &err));
  }
  EXPECT_OK(inf_request_add_bias(request.get(), 512, 1.0f, &err));
  EXPECT_FAILS(INF_E_ARG, "logit bias: id is 512, the vocabulary is 0..511",
               inf_generate(NewSession().get(), request.get(), nullptr, nullptr, nullptr, &err));
}

TEST(CapiSampling, PenaltiesMakeTextLessRepetitive) {
  const auto distinct = [](const Ids& ids) {
    return std::set<inf_token>(ids.begin(), ids.end()).size();
  };
  const Request request = NewRequest(kPrompt, 60);
  EXPECT_OK(inf_request_add_bias(request.get(), 77, 6.0f, &err));  // something to repeat
  const size_t plain = distinct(Generate(request).got.ids);
  ASSERT_LT(plain, 60u);
  auto sampling = NewSampling(60);
  sampling.presence_penalty = 100.0f;
  SetSampling(request, sampling);
  EXPECT_EQ(distinct(Generate(request).got.ids), 60u);
  sampling.penalty_window = 1;  // none twice in a row
  SetSampling(request, sampling);
  const Ids ids = Generate(request).got.ids;
  EXPECT_LT(distinct(ids), 60u);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  sampling = NewSampling(60);
  sampling.frequency_penalty = 100.0f;
  SetSampling(request, sampling);
  EXPECT_EQ(distinct(Generate(request).got.ids), 60u);
}

TEST(CapiSampling, FiltersAndTheirOrder) {
  const Request request = NewRequest(kPrompt, 60);
  auto sampling = NewSampling(60);
  sampling.temperature = 20.0f;
  sampling.typical_p = 1e-6f;  // one token, at temperature 1, so that another order matters
  sampling.seed = 5;
  SetSampling(request, sampling);
  const Ids typical = Generate(request).got.ids;
  sampling.seed = 6;
  SetSampling(request, sampling);
  EXPECT_EQ(Generate(request).got.ids, typical) << "of one token any seed draws the same";
  sampling.order[0] = INF_FILTER_TEMPERATURE;
  SetSampling(request, sampling);
  EXPECT_NE(Generate(request).got.ids, typical) << "typical is left out";
  sampling.order[0] = INF_FILTER_TYPICAL;
  sampling.order[1] = INF_FILTER_TEMPERATURE;
  SetSampling(request, sampling);
  EXPECT_EQ(Generate(request).got.ids, typical);
}

TEST(CapiSampling, OrdersThatAreNoneAreRefused) {
  const Request request = NewRequest();
  const auto fails = [&](const char* part, std::initializer_list<uint8_t> order) {
    auto sampling = NewSampling();
    std::ranges::copy(order, sampling.order);
    EXPECT_FAILS(INF_E_ARG, part, inf_request_set_sampling(request.get(), &sampling, &err));
  };
  fails("order[1] is 6", {1, 6});
  fails("order[2] is 2, after a zero", {1, 0, 2});
  fails("filter 2 of the order is there a second time", {1, 2, 1});
  fails("order[5] is 1, there are 5 filters", {1, 2, 3, 4, 5, 1});
  EXPECT_EQ(Generate(request).got.ids, GoldenContinuation()) << "the request keeps what it had";
}

// Programs compiled with the first header give a shorter struct.
TEST(CapiSampling, AnOlderStructIsAsBefore) {
  const Request request = NewRequest();
  auto sampling = NewSampling(3);
  sampling.presence_penalty = std::nanf("");  // not looked at
  sampling.struct_size = 40;
  SetSampling(request, sampling);
  const Ids& golden = GoldenContinuation();
  EXPECT_EQ(Generate(request).got.ids, Ids(golden.begin(), golden.begin() + 3));
  sampling.struct_size = 36;
  EXPECT_FAILS(INF_E_ABI, "struct_size is 36, want the size of the struct, 40 here",
               inf_request_set_sampling(request.get(), &sampling, &err));
  sampling.struct_size = sizeof(sampling);
  EXPECT_FAILS(INF_E_ARG, "presence_penalty is nan",
               inf_request_set_sampling(request.get(), &sampling, &err));
}

// ---- log-probabilities ----

struct Event {
  inf_token token;
  double logprob;
  Ids ids;
  std::vector<double> logprobs;
};

std::vector<Event> EventsOf(const Request& request, uint32_t kind, inf_session* session) {
  std::vector<Event> events;
  Gen gen;
  EXPECT_OK(inf_gen_start(session, request.get(), gen.out(), &err));
  const inf_event* event = nullptr;
  while (inf_gen_next(gen.get(), &event, nullptr) == INF_OK) {
    EXPECT_EQ(event->struct_size, sizeof(inf_event));
    if (event->kind != kind || (kind == INF_EVENT_TOKEN && event->token < 0)) continue;
    events.push_back({event->token, event->logprob, {}, {}});
    if (event->ids_len == 0) {
      EXPECT_EQ(event->ids, nullptr);
      EXPECT_EQ(event->logprobs, nullptr);
      continue;
    }
    events.back().ids.assign(event->ids, event->ids + event->ids_len);
    events.back().logprobs.assign(event->logprobs, event->logprobs + event->ids_len);
  }
  return events;
}

TEST(CapiSampling, LogprobsOfGeneratedTokensAreThoseOfScoring) {
  const Request request = NewRequest(kPrompt, 6);
  EXPECT_OK(inf_request_set_logprobs(request.get(), INF_LOGPROBS_GENERATED, 3, &err));
  const Session session = NewSession(), scores = NewSession();
  const auto events = EventsOf(request, INF_EVENT_TOKEN, session.get());
  ASSERT_EQ(events.size(), 6u);
  Ids context = kPrompt;
  for (const Event& event : events) {
    Tokens ids;
    Floats logprobs;
    auto next = Sized<inf_next_desc>();
    EXPECT_OK(inf_next_top(scores.get(), context.data(), context.size(), 3, nullptr, &ids,
                           &logprobs, &next, &err));
    EXPECT_EQ(event.ids, List(ids));
    EXPECT_EQ(event.token, ids.data[0]) << "greedy";
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_FLOAT_EQ(static_cast<float>(event.logprobs.at(i)), logprobs.data[i]);
    }
    EXPECT_EQ(event.logprob, event.logprobs[0]);
    context.push_back(event.token);
  }
  EXPECT_OK(inf_request_set_logprobs(request.get(), 0, 0, &err));
  EXPECT_OK(inf_session_reset(session.get(), &err));
  for (const Event& event : EventsOf(request, INF_EVENT_TOKEN, session.get())) {
    EXPECT_EQ(event.logprob, 0.0);
    EXPECT_TRUE(event.ids.empty());
  }
}

TEST(CapiSampling, LogprobsOfThePrompt) {
  const Request request = NewRequest(kPrompt, 1);
  EXPECT_OK(inf_request_set_logprobs(request.get(), INF_LOGPROBS_PROMPT, 0, &err));
  const Session session = NewSession();
  Ids ids;
  std::vector<double> logprobs;
  for (const Event& event : EventsOf(request, INF_EVENT_PREFILL, session.get())) {
    ids.insert(ids.end(), event.ids.begin(), event.ids.end());
    logprobs.insert(logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  }
  EXPECT_EQ(ids, kPrompt);
  ASSERT_EQ(logprobs.size(), kPrompt.size());
  EXPECT_TRUE(std::isnan(logprobs[0]));
  auto score = Sized<inf_score_desc>();
  Floats per_token;
  EXPECT_OK(inf_score_rolling(NewSession().get(), kPrompt.data(), kPrompt.size(), 0, 0, nullptr,
                              nullptr, nullptr, &score, &per_token, &err));
  ASSERT_EQ(per_token.len, 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(static_cast<float>(logprobs[i + 1]), per_token.data[i]);
  }
}

TEST(CapiSampling, WhatIsNoWishForLogprobsIsRefused) {
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_ARG, "flags: is 0x4", inf_request_set_logprobs(request.get(), 4, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "top: is 65, want 0..64",
               inf_request_set_logprobs(request.get(), INF_LOGPROBS_GENERATED, 65, &err));
  EXPECT_FAILS(INF_E_ARG, "wants INF_LOGPROBS_GENERATED",
               inf_request_set_logprobs(request.get(), INF_LOGPROBS_PROMPT, 1, &err));
}

}  // namespace
}  // namespace inference::capi_test
