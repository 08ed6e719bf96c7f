// What requests begin with is computed once: with the bits that computing it again has.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/batch.h"
#include "engine/classify.h"
#include "engine/embed.h"
#include "engine/prefix_cache.h"
#include "engine/score.h"
#include "engine/score_many.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr uint64_t kMuch = uint64_t{1} << 30;

std::shared_ptr<Model> Load(const std::string& name, uint64_t prefix_cache, int64_t chunk = 64,
                            uint64_t kv_limit = 0) {
  return Model::Load(TestRuntime(), TinyPath(name),
                     {.prefill_chunk = chunk, .kv_limit = kv_limit, .prefix_cache = prefix_cache},
                     {});
}

uint64_t BlockBytes(const std::string& name) {
  const auto model = Load(name, 0);
  const KvCache& cache = *model->executor().cache();
  uint64_t bytes = 0;
  for (size_t g = 0; g < cache.groups(); ++g) bytes += cache.page_bytes(g);
  return bytes;
}

// Ids that depend on `seed` from `common` on; with 0 they are those that all begin with.
Ids Text(const std::string& name, size_t length, size_t common = 0, uint32_t seed = 0) {
  const auto vocab = name == "llama-gqa" ? 500u : 700u;
  Ids out(length);
  for (size_t i = 0; i < length; ++i) {
    const auto n = static_cast<uint32_t>(i);
    out[i] = static_cast<int32_t>((n * 7919u + (i < common ? 0u : seed * 31u)) % vocab);
  }
  return out;
}

struct Outcome {
  Ids ids;
  std::vector<double> logprobs;
  Finish finish = Finish::kNone;
  bool operator==(const Outcome&) const = default;
};

void Add(Outcome& outcome, const GenerateEvent& event) {
  if (event.kind != GenerateEvent::Kind::kToken || event.token < 0) return;
  outcome.ids.push_back(event.token);
  outcome.logprobs.push_back(event.logprob);
}

struct Ran {
  Outcome outcome;
  uint64_t cached = 0;
};

Ran RunIn(const std::shared_ptr<Session>& session, const GenerateRequest& request) {
  Generation generation(session, request);
  Ran out;
  GenerateEvent event;
  while (generation.Next(event)) Add(out.outcome, event);
  out.outcome.finish = generation.result().finish;
  out.cached = generation.result().cached_tokens;
  return out;
}

Ran Alone(const std::shared_ptr<Model>& model, const GenerateRequest& request) {
  return RunIn(std::make_shared<Session>(model, 0), request);
}

GenerateRequest Greedy(Ids prompt, int64_t max_tokens = 3) {
  return {
      .prompt = std::move(prompt), .max_tokens = max_tokens, .ignore_end = true, .logprobs = true};
}

// Of different lengths, seeds and options; under four sets of adapters, each several times.
std::vector<GenerateRequest> MixedRequests(const std::string& name,
                                           const std::shared_ptr<Model>& model) {
  using Set = std::vector<AdapterUse>;
  std::vector<AdapterSet> sets(1);
  if (name != "gemma2") {  // which has none
    const auto peft =
        Adapter::Load(model, INFERENCE_TEST_DATA "/golden/tiny/" + name + "/adapter-peft");
    const auto noise = Adapter::Null(*peft, {.seed = 1, .init_scale = 0.3});
    for (const Set& set : {Set{{peft}}, Set{{peft, 0.5f}}, Set{{noise, -1.25f}, {peft, 2.0f}}}) {
      sets.emplace_back(set);
    }
  }
  std::vector<GenerateRequest> out;
  for (uint32_t i = 0; i < 16; ++i) {
    GenerateRequest request = Greedy(Text(name, 30 + 12 * i, 130, i), 3 + i % 4);
    request.sampling.seed = i;
    if (i % 3 != 0) request.sampling.temperature = 0.7f + 0.1f * static_cast<float>(i);
    if (i % 5 == 2) request.sampling.repeat_penalty = 1.3f;
    request.adapters = sets[i % sets.size()];
    out.push_back(std::move(request));
  }
  return out;
}

std::vector<Outcome> RunBatch(const std::shared_ptr<Model>& model,
                              const std::vector<GenerateRequest>& requests, uint64_t& cached) {
  Batch batch(model, {});
  std::map<uint64_t, Outcome> got;
  std::vector<uint64_t> keys;
  for (const GenerateRequest& request : requests) keys.push_back(batch.Add(nullptr, request));
  cached = 0;
  while (batch.size() > 0) {
    for (const BatchEvent& event : batch.Step()) {
      if (event.is_done) {
        got[event.id].finish = event.result.finish;
        cached += event.result.cached_tokens;
      } else {
        Add(got[event.id], event.event);
      }
    }
  }
  std::vector<Outcome> out;
  for (const uint64_t key : keys) out.push_back(got[key]);
  return out;
}

class PrefixCacheModels : public testing::TestWithParam<const char*> {};

TEST_P(PrefixCacheModels, RowsHaveTheBitsOfRunsWithoutIt) {
  const std::string name = GetParam();
  std::vector<Outcome> want;
  {
    const auto model = Load(name, 0, 256);
    for (const GenerateRequest& request : MixedRequests(name, model)) {
      const Ran run = Alone(model, request);
      EXPECT_EQ(run.cached, 0u);
      want.push_back(run.outcome);
    }
  }
  for (const int64_t chunk : {1, 7, 64, 512}) {
    const auto model = Load(name, kMuch, chunk);
    const std::vector<GenerateRequest> requests = MixedRequests(name, model);
    uint64_t cached = 0;
    EXPECT_EQ(RunBatch(model, requests, cached), want) << "cold, chunks of " << chunk;
    EXPECT_EQ(RunBatch(model, requests, cached), want) << "warm, chunks of " << chunk;
    uint64_t whole_blocks = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      const uint64_t blocks = (requests[i].prompt.size() - 1) / 64 * 64;
      const Ran run = Alone(model, requests[i]);
      EXPECT_TRUE(run.outcome == want[i]) << "request " << i << ", chunks of " << chunk;
      EXPECT_EQ(run.cached, blocks) << "request " << i << ", chunks of " << chunk;
      whole_blocks += blocks;
    }
    EXPECT_EQ(cached, whole_blocks) << "the batch, chunks of " << chunk;
  }
}

TEST_P(PrefixCacheModels, ScoresHaveTheBitsOfThoseWithoutIt) {
  const std::string name = GetParam();
  const auto plain = Load(name, 0, 64), cached = Load(name, kMuch, 64);
  const Ids context = Text(name, 150), continuation = Text(name, 20, 0, 9);
  std::vector<ScoreItem> items;
  std::vector<Ids> contexts;
  for (uint32_t i = 0; i < 6; ++i) contexts.push_back(Text(name, 140 + i, 133, i));
  for (const Ids& of : contexts) items.push_back({of, continuation});
  for (int round = 0; round < 2; ++round) {
    Session a(plain, 0), b(cached, 0);
    const Score want = ScoreContinuation(a, context, continuation, nullptr);
    const Score got = ScoreContinuation(b, context, continuation, nullptr);
    EXPECT_EQ(got.logprobs, want.logprobs);
    EXPECT_EQ(got.cached_tokens, round == 0 ? 0u : 128u);
    Session c(plain, 0), d(cached, 0);
    const auto many = ScoreMany(c, items, nullptr), many_cached = ScoreMany(d, items, nullptr);
    for (size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(many_cached[i].value.logprobs, many[i].value.logprobs) << i;
    }
    EXPECT_EQ(many_cached[0].value.cached_tokens, 128u);  // of the score before
    Session e(plain, 0), f(cached, 0);
    const NextTokens next = PredictNext(e, context, 5, nullptr);
    const NextTokens next_cached = PredictNext(f, context, 5, nullptr);
    EXPECT_EQ(next_cached.ids, next.ids);
    EXPECT_EQ(next_cached.logprobs, next.logprobs);
    EXPECT_EQ(next_cached.cached_tokens, 128u);
    const std::vector<std::span<const int32_t>> prompts(contexts.begin(), contexts.end());
    const auto classes = Classify(plain, prompts, {.wants_logits = true}, nullptr);
    const auto classes_cached = Classify(cached, prompts, {.wants_logits = true}, nullptr);
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(classes_cached[i].value.logits, classes[i].value.logits) << i;
    }
  }
}

// What a session holds that took cached pages can be cut and forked as if it had computed them.
TEST_P(PrefixCacheModels, SessionsChangeTheirOwnPagesOnly) {
  const std::string name = GetParam();
  const auto plain = Load(name, 0, 64), cached = Load(name, kMuch, 64);
  const Ids text = Text(name, 200), other = Text(name, 200, 0, 5);
  const auto generate = [&](Session& session, const Ids& ids) {
    const Ids prompt(ids.begin(), ids.end() - 1);
    session.KeepPrefix(prompt);
    const auto held = static_cast<size_t>(session.length());
    for (size_t done = held; done < prompt.size(); done += 64) {
      session.Prefill(std::span(prompt).subspan(done, std::min<size_t>(64, prompt.size() - done)));
    }
    return LogitsOf(session, {ids.back()});
  };
  Session first(cached, 0), reference(plain, 0);
  const std::vector<float> want = generate(reference, text);
  EXPECT_EQ(generate(first, text), want);
  Session second(cached, 0);
  EXPECT_EQ(generate(second, text), want);
  EXPECT_EQ(second.length(), 200);
  // Into a cached block, and on with something else.
  Session cut(plain, 0);
  generate(cut, text);
  for (Session* session : {&cut, &second}) session->Truncate(180);
  const std::shared_ptr<Session> fork = second.Fork();
  const Ids end(other.begin(), other.begin() + 15);
  const std::vector<float> after = LogitsOf(cut, end);
  EXPECT_EQ(LogitsOf(second, end), after);
  EXPECT_EQ(LogitsOf(*fork, end), after);
  Session third(cached, 0);
  EXPECT_EQ(generate(third, text), want) << "a cached page was written to";
  EXPECT_EQ(generate(first, text), want);
  third.Truncate(192);  // a whole number of blocks
  EXPECT_EQ(LogitsOf(third, Ids(text.begin() + 192, text.end())).size(),
            8u * static_cast<size_t>(cached->network().dims().vocab_size));
  EXPECT_EQ(generate(third, text), want);
}

TEST_P(PrefixCacheModels, AShortBudgetHolds) {
  const std::string name = GetParam();
  const auto plain = Load(name, 0, 64);
  const uint64_t block = BlockBytes(name);
  const auto model = Load(name, 5 * block, 64);
  const KvCache& cache = *model->executor().cache();
  for (uint32_t i = 0; i < 12; ++i) {
    const GenerateRequest request = Greedy(Text(name, 150 + 20 * (i % 5), 64 * (i % 3), i));
    const auto session = std::make_shared<Session>(model, 0);
    EXPECT_EQ(RunIn(session, request).outcome, Alone(plain, request).outcome) << i;
    EXPECT_LE(cache.used_bytes(), 5 * block + session->kv_bytes()) << i;
    EXPECT_LE(cache.idle_bytes(), 5 * block);
    session->Reset();
    EXPECT_LE(cache.used_bytes(), 5 * block) << i;
    EXPECT_EQ(cache.used_bytes(), cache.idle_bytes());
  }
  EXPECT_GT(model->prefix_cache()->stats().evictions, 0u);
  EXPECT_GT(cache.used_bytes(), 3 * block) << "the budget is not used";
}

INSTANTIATE_TEST_SUITE_P(Tiny, PrefixCacheModels,
                         testing::Values("llama-gqa", "gemma3-text", "gemma2"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('-'));
                         });

TEST(PrefixCacheModel, AdaptersAndScalesNeverShare) {
  const auto model = Load("llama-gqa", kMuch);
  const std::string path = INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/adapter-peft";
  const auto peft = Adapter::Load(model, path), noise = Adapter::Null(*peft, {});
  using Set = std::vector<AdapterUse>;
  GenerateRequest request = Greedy(Text("llama-gqa", 140));
  for (const AdapterSet& set : {AdapterSet(), AdapterSet(Set{{peft}}),
                                AdapterSet(Set{{peft, 0.5f}}), AdapterSet(Set{{peft, -0.5f}}),
                                AdapterSet(Set{{noise}}), AdapterSet(Set{{peft}, {noise}})}) {
    request.adapters = set;
    EXPECT_EQ(Alone(model, request).cached, 0u) << set.key();
    EXPECT_EQ(Alone(model, request).cached, 128u) << set.key();
  }
  // Another object of the same values is the same.
  request.adapters = AdapterSet(Set{{Adapter::Load(model, path)}});
  EXPECT_EQ(Alone(model, request).cached, 128u);
}

TEST(PrefixCacheModel, TheLastTokenOfAPromptIsComputed) {
  const auto model = Load("llama-gqa", kMuch);
  const GenerateRequest request = Greedy(Text("llama-gqa", 128));
  const Outcome want = Alone(model, request).outcome;
  const Ran again = Alone(model, request);
  EXPECT_EQ(again.cached, 64u);
  EXPECT_EQ(again.outcome, want);
  GenerateRequest shorter = Greedy(Text("llama-gqa", 64));
  EXPECT_EQ(Alone(model, shorter).cached, 0u);
  shorter = Greedy(Text("llama-gqa", 65));
  EXPECT_EQ(Alone(model, shorter).cached, 64u);
}

// Prompt and answer are cached: a conversation goes on in another session.
TEST(PrefixCacheModel, WhatWasGeneratedIsCachedToo) {
  const auto model = Load("gemma3-text", kMuch);
  const Ids prompt = Text("gemma3-text", 60);
  const Ran first = Alone(model, Greedy(prompt, 80));
  Ids chat = prompt;
  chat.insert(chat.end(), first.outcome.ids.begin(), first.outcome.ids.end());
  GenerateRequest next = Greedy(chat);
  next.whole_context = true;
  EXPECT_EQ(Alone(model, next).cached, 128u);
  // What the session holds counts as before, and a session that goes on takes no part of it.
  const auto session = std::make_shared<Session>(model, 0);
  RunIn(session, Greedy(prompt, 80));
  EXPECT_EQ(RunIn(session, next).cached, 139u);
  EXPECT_EQ(RunIn(session, Greedy(Text("gemma3-text", 70, 0, 8))).cached, 0u);
}

TEST(PrefixCacheModel, LogprobsOfACachedPromptAreComputedAgain) {
  const auto model = Load("llama-gqa", kMuch);
  GenerateRequest request = Greedy(Text("llama-gqa", 140));
  Alone(model, request);
  request.prompt_logprobs = true;
  Generation generation(std::make_shared<Session>(model, 0), request);
  std::vector<double> logprobs;
  GenerateEvent event;
  while (generation.Next(event)) {
    if (event.kind != GenerateEvent::Kind::kPrefill) continue;
    logprobs.insert(logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  }
  EXPECT_EQ(logprobs.size(), 140u);
  EXPECT_EQ(generation.result().cached_tokens, 0u);
}

TEST(PrefixCacheModel, ACancelledPromptLeavesWhatWasComputed) {
  const auto plain = Load("gemma3-text", 0), model = Load("gemma3-text", kMuch, 40);
  GenerateRequest request = Greedy(Text("gemma3-text", 400));
  const auto flag = std::make_shared<CancelFlag>();
  request.cancel = flag;
  for (int steps = 0; steps < 9; ++steps) {
    flag->Reset();
    const auto session = std::make_shared<Session>(model, 0);
    Generation generation(session, request);
    GenerateEvent event;
    for (int i = 0; i < steps && generation.Next(event); ++i) {
    }
    std::thread other([&] { flag->Trigger(); });
    try {
      while (generation.Next(event)) {
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kCancelled);
    }
    other.join();
  }
  request.cancel = nullptr;
  EXPECT_EQ(Alone(model, request).outcome, Alone(plain, request).outcome);
  const Ran again = Alone(model, request);
  EXPECT_EQ(again.outcome, Alone(plain, request).outcome);
  EXPECT_EQ(again.cached, 384u);
}

// The limit is what one full session takes: what is cached goes before anyone is refused or waits.
TEST(PrefixCacheModel, GivesWayWhereMemoryIsShort) {
  for (const char* name : {"llama-gqa", "gemma3-text"}) {
    const auto plain = Load(name, 0);
    const uint64_t block = BlockBytes(name);
    const auto model = Load(name, kMuch, 64, 8 * block);
    for (uint32_t i = 0; i < 6; ++i) {
      const GenerateRequest request = Greedy(Text(name, 190, 0, i));
      EXPECT_EQ(Alone(model, request).outcome, Alone(plain, request).outcome);
    }
    EXPECT_GT(model->executor().cache()->idle_bytes(), 4 * block);
    const GenerateRequest full = Greedy(Text(name, 500, 0, 7), 12);
    const Ran run = Alone(model, full);
    EXPECT_EQ(run.outcome, Alone(plain, full).outcome) << name;
    // In a batch of two that fit together nobody begins anew.
    Batch batch(model, {});
    for (uint32_t i = 0; i < 2; ++i) batch.Add(nullptr, Greedy(Text(name, 200, 0, 20 + i), 40));
    while (batch.size() > 0) {
      for (const BatchEvent& event : batch.Step()) {
        EXPECT_FALSE(event.status.has_value()) << event.message;
        if (event.event.kind == GenerateEvent::Kind::kPrefill && !event.is_done) {
          EXPECT_EQ(event.event.total, 200u) << name;
        }
      }
    }
  }
}

// A page that is the session's and the cache's would have to be copied; there is no room for that.
TEST(PrefixCacheModel, LetsGoOfAPageRatherThanHaveItCopied) {
  const auto model = Load("llama-gqa", kMuch, 64, 3 * BlockBytes("llama-gqa"));
  Session session(model, 0);
  const Ids text = Text("llama-gqa", 192);
  for (size_t done = 0; done < 192; done += 64) session.Prefill(std::span(text).subspan(done, 64));
  session.Truncate(150);
  session.Prefill(std::span(text).first(10));
  EXPECT_EQ(session.length(), 160);
}

TEST(PrefixCacheModel, TrimDropsIt) {
  const auto model = Load("gemma2", kMuch);
  const KvCache& cache = *model->executor().cache();
  Alone(model, Greedy(Text("gemma2", 300)));
  EXPECT_GT(cache.used_bytes(), 0u);
  const uint64_t active = model->device()->memory().active;
  model->Trim();
  EXPECT_EQ(cache.used_bytes(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_LT(model->device()->memory().active, active);
  EXPECT_EQ(Alone(model, Greedy(Text("gemma2", 300))).cached, 0u);
  // What a session holds stays, and it goes on with the same bits.
  const auto plain = std::make_shared<Session>(Load("gemma2", 0), 0);
  const auto session = std::make_shared<Session>(model, 0);
  for (const auto& of : {plain, session}) RunIn(of, Greedy(Text("gemma2", 100)));
  model->Trim();
  EXPECT_EQ(cache.used_bytes(), session->kv_bytes());
  const GenerateRequest more = Greedy(Text("gemma2", 40, 0, 3));
  EXPECT_EQ(RunIn(session, more).outcome, RunIn(plain, more).outcome);
}

TEST(PrefixCacheModel, HiddenStatesOfSomeLayersAreNeverCached) {
  const auto model = Load("llama-gqa", kMuch);
  const Ids text = Text("llama-gqa", 140);
  const std::vector<std::span<const int32_t>> texts = {text};
  EmbedTexts(*model, texts, {.layers = 1}, nullptr);
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u);
  EXPECT_EQ(Alone(model, Greedy(text)).cached, 0u);
}

TEST(PrefixCacheModel, SessionsOfSeveralThreads) {
  const auto plain = Load("gemma3-text", 0);
  std::vector<GenerateRequest> requests;
  std::vector<Outcome> want;
  for (uint32_t i = 0; i < 8; ++i) {
    requests.push_back(Greedy(Text("gemma3-text", 80 + 30 * i, 64 * (i % 4), i / 2)));
    want.push_back(Alone(plain, requests.back()).outcome);
  }
  const auto model = Load("gemma3-text", uint64_t{600} << 10);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 12; ++i) {
        const size_t which = (t * 5 + i * 3) % requests.size();
        wrong += Alone(model, requests[which]).outcome != want[which];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const PrefixCacheStats stats = model->prefix_cache()->stats();
  EXPECT_GT(stats.hits, 0u);
  EXPECT_LE(stats.bytes, stats.limit);
  EXPECT_EQ(model->executor().cache()->used_bytes(), stats.bytes);
  model->prefix_cache()->Clear();
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u);
}

}  // namespace
}  // namespace inference
