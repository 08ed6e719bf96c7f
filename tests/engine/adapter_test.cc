#include "engine/adapter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/tiny_models.h"
#include "models/adapter_parts.h"
#include "support/expect_error.h"

namespace inference {
namespace {

using Set = std::vector<AdapterUse>;

std::string PeftPath(const std::string& name) {
  return INFERENCE_TEST_DATA "/golden/tiny/" + name + "/adapter-peft";
}

std::shared_ptr<const Adapter> Peft(const std::string& name, int64_t chunk = 256) {
  return Adapter::Load(TinyModel(name, chunk), PeftPath(name));
}

std::vector<float> LogitsWith(const std::shared_ptr<Model>& model, AdapterSet adapters,
                              const Ids& ids) {
  Session session(model, 0);
  session.SetAdapters(std::move(adapters));
  return LogitsOf(session, ids);
}

std::vector<float> Tensor32(const TensorSet& tensors, const std::string& name) {
  const TensorEntry* entry = tensors.Find(name);
  std::vector<float> values(entry->bytes / sizeof(float));
  tensors.Read(*entry, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(AdapterTest, EveryFormGivesThePeftLogits) {
  for (const char* name : {"llama-gqa", "gemma3-text", "qwen2-bias", "qwen3-qknorm"}) {
    const std::shared_ptr<Model> model = TinyModel(name);
    const TempDir mlx_lm, go_mlx;
    const AdapterParts parts = AdapterParts::Read(PeftPath(name));
    parts.AsMlxLm().Write(mlx_lm, "adapters.safetensors");
    parts.AsGoMlx().Write(go_mlx, "adapter.safetensors");
    const TensorSet golden = OpenSafetensors(std::string(INFERENCE_TEST_DATA "/golden/tiny/") +
                                             name + "/logits_adapter.safetensors");
    const Json prompts = TinyGolden(name)["prompts"];
    std::string hash;
    std::vector<float> first;
    for (const auto& [path, format] :
         {std::pair(PeftPath(name), "peft"), std::pair(mlx_lm.path(), "mlx-lm"),
          std::pair(go_mlx.path(), "go-mlx")}) {
      const auto adapter = Adapter::Load(model, path);
      EXPECT_EQ(adapter->format(), format);
      if (hash.empty()) hash = adapter->hash();
      EXPECT_EQ(adapter->hash(), hash) << "one content, one hash";
      for (size_t i = 0; i < prompts.size(); ++i) {
        const Ids ids = prompts[i]["ids"].get<Ids>();
        const std::vector<float> want = Tensor32(golden, fmt::format("logits.{}", i));
        const std::vector<float> got = LogitsWith(model, AdapterSet(Set{{adapter}}), ids);
        ASSERT_EQ(got.size(), want.size());
        float worst = 0.0f, size = 0.0f;
        for (size_t k = 0; k < want.size(); ++k) {
          worst = std::max(worst, std::abs(got[k] - want[k]));
          size = std::max(size, std::abs(want[k]));
        }
        EXPECT_LE(worst, 2e-4f * size) << name << ", " << format << ", prompt " << i;
        if (i > 0) continue;
        if (first.empty()) first = got;
        EXPECT_TRUE(got == first) << format;
      }
    }
  }
}

TEST(AdapterTest, TellsWhatItIs) {
  const auto adapter = Peft("llama-gqa");
  EXPECT_EQ(adapter->max_rank(), 8);
  EXPECT_EQ(adapter->layers(), adapter->model().network().dims().num_layers);
  EXPECT_EQ(std::ssize(adapter->modules()), 2 * adapter->layers());  // q_proj and v_proj
  uint64_t parameters = 0;
  for (const auto& [name, part] : AdapterParts::Read(PeftPath("llama-gqa")).tensors) {
    parameters += part.values.size();
  }
  EXPECT_EQ(adapter->parameters(), parameters);
  EXPECT_GE(adapter->bytes(), 4 * parameters);
  EXPECT_EQ(adapter->hash().size(), 32u);
  EXPECT_TRUE(adapter->path().ends_with("adapter_model.safetensors")) << adapter->path();
}

// The weights are there once; what an adapter took comes back, recordings and all.
TEST(AdapterTest, TakesItsOwnBytesAndGivesThemBack) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa");
  const auto active = [&] { return model->device()->memory().active; };
  const Ids ids = {5, 17, 130, 7};
  LogitsWith(model, AdapterSet(Set{{Peft("llama-gqa")}}), ids);  // coefficients, temporaries
  model->executor().DropRecordings();
  const uint64_t before = active();
  {
    const auto adapter = Peft("llama-gqa");
    EXPECT_EQ(active() - before, adapter->bytes());
    EXPECT_LT(adapter->bytes(), model->network().stats().bytes / 4) << "not a copy of the weights";
  }
  EXPECT_EQ(active(), before);
  LogitsWith(model, {}, ids);
  const uint64_t ran = active();
  LogitsWith(model, AdapterSet(Set{{Peft("llama-gqa")}}), ids);  // recorded, then gone
  model->executor().DropRecordings();
  EXPECT_EQ(active(), before);
  EXPECT_GE(ran, before);
}

TEST(AdapterTest, ANullAdapterIsNoiseOfItsSeed) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa");
  const auto like = Peft("llama-gqa");
  const auto null = Adapter::Null(*like, {.seed = 7});
  EXPECT_EQ(null->format(), "null");
  EXPECT_EQ(null->parameters(), like->parameters());
  EXPECT_EQ(null->bytes(), like->bytes());
  EXPECT_EQ(null->hash(), Adapter::Null(*like, {.seed = 7})->hash());
  EXPECT_NE(null->hash(), Adapter::Null(*like, {.seed = 8})->hash());
  EXPECT_NE(null->hash(), like->hash());
  const Ids ids = {5, 17, 130, 7};
  const std::vector<float> base = LogitsWith(model, {}, ids);
  const std::vector<float> noisy = LogitsWith(model, AdapterSet(Set{{null}}), ids);
  EXPECT_NE(noisy, base);
  // The scale counts twice, in A and in B: sqrt(4) in both is a coefficient of 4.
  const auto four = Adapter::Null(*like, {.seed = 7, .rank_scale = 4.0});
  const std::vector<float> by_scale = LogitsWith(model, AdapterSet(Set{{four}}), ids);
  const std::vector<float> by_coef = LogitsWith(model, AdapterSet(Set{{null, 4.0f}}), ids);
  for (size_t i = 0; i < by_coef.size(); ++i) ASSERT_NEAR(by_scale[i], by_coef[i], 1e-4f);
  ExpectError(Status::kArg, {"null adapter", "init_scale is 0", "positive"},
              [&] { Adapter::Null(*like, {.init_scale = 0.0}); });
  ExpectError(Status::kArg, {"rank_scale is -1"},
              [&] { Adapter::Null(*like, {.rank_scale = -1.0}); });
  ExpectError(Status::kArg, {"init_scale is nan"},
              [&] { Adapter::Null(*like, {.init_scale = NAN}); });
}

// Its values are N(0, init_scale sqrt(rank_scale)): as many as that, in every matrix.
TEST(AdapterTest, ANullAdapterHasTheDeviationThatIsAskedFor) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa");
  const auto like = Peft("llama-gqa");
  for (const double rank_scale : {1.0, 4.0}) {
    const auto null = Adapter::Null(*like, {.seed = 11, .rank_scale = rank_scale});
    double sum = 0.0, squares = 0.0;
    uint64_t count = 0, near = 0;
    const double want = 0.02 * std::sqrt(rank_scale);
    for (const BlockLora& block : null->blocks()) {
      std::vector<float> A(block.qkv_proj.A.size() / sizeof(float));
      model->device()->Run([&] {
        model->device()->Read(block.qkv_proj.A, 0, std::as_writable_bytes(std::span(A)));
      });
      for (const float x : A) {
        if (x == 0.0f) continue;  // filled up to whole vectors
        sum += static_cast<double>(x);
        squares += static_cast<double>(x) * static_cast<double>(x);
        near += std::abs(static_cast<double>(x)) < want;
        ++count;
      }
    }
    const auto n = static_cast<double>(count);
    EXPECT_GT(count, null->parameters() / 4);
    EXPECT_NEAR(std::sqrt(squares / n), want, 4 * want / std::sqrt(2 * n));
    EXPECT_NEAR(sum / n, 0.0, 4 * want / std::sqrt(n));
    EXPECT_NEAR(static_cast<double>(near) / n, 0.6827, 4 * 0.47 / std::sqrt(n));
  }
}

TEST(AdapterSetTest, HasOneFormForOneEffect) {
  const auto a = Peft("llama-gqa"), again = Peft("llama-gqa"), b = Adapter::Null(*a);
  EXPECT_EQ(AdapterSet().key(), "");
  EXPECT_EQ(AdapterSet(Set{{a, 0.0f}, {b, -0.0f}}), AdapterSet());
  const AdapterSet both(Set{{a, 0.5f}, {b, 2.0f}});
  EXPECT_EQ(both, AdapterSet(Set{{b, 2.0f}, {a, 0.5f}}));
  EXPECT_EQ(both, AdapterSet(Set{{again, 0.25f}, {b, 2.0f}, {a, 0.25f}}));
  EXPECT_EQ(both.uses().size(), 2u);
  EXPECT_LT(both.uses()[0].adapter->hash(), both.uses()[1].adapter->hash());
  EXPECT_NE(both, AdapterSet(Set{{a, 0.5f}, {b, 2.5f}}));
  EXPECT_EQ(AdapterSet(Set{{a, 1.0f}, {again, -1.0f}}).key(), "");
  EXPECT_EQ(AdapterSet(Set{{a, 1.0f}}).key(), a->hash() + ":3f800000");
  EXPECT_EQ(both.Scaled(2.0f), AdapterSet(Set{{a, 1.0f}, {b, 4.0f}}));
  EXPECT_EQ(both.Scaled(0.0f), AdapterSet());
  ExpectError(Status::kArg, {a->hash(), "is inf", "finite"}, [&] { both.Scaled(INFINITY); });
  ExpectError(Status::kArg, {"is nan"}, [&] { AdapterSet(Set{{a, NAN}}); });
  ExpectError(Status::kArg, {"another model"}, [&] {
    AdapterSet(Set{{a}, {Peft("gemma3-text")}});
  });
}

TEST(AdapterSessionTest, AnotherSetLeavesNothingOfTheOld) {
  for (const char* name : {"llama-gqa", "gemma3-text"}) {
    const std::shared_ptr<Model> model = TinyModel(name, 8);
    const auto adapter = Peft(name, 8);
    const AdapterSet one(Set{{adapter}}), half(Set{{adapter, 0.5f}});
    const Ids ids = {5, 17, 130, 7, 42, 99, 3, 250, 18};
    Session session(model, 0);
    LogitsOf(session, ids);
    session.SetAdapters({});
    EXPECT_EQ(session.length(), 9) << "the same set keeps all";
    for (const AdapterSet& set : {one, half, AdapterSet(), one}) {
      session.SetAdapters(set);
      EXPECT_EQ(session.length(), 0);
      EXPECT_TRUE(session.tokens().empty());
      EXPECT_EQ(session.KeepPrefix(ids), 0) << "keys of the set before are no prefix";
      EXPECT_TRUE(LogitsOf(session, ids) == LogitsWith(model, set, ids)) << name << set.key();
    }
    const std::shared_ptr<Session> fork = session.Fork();
    EXPECT_EQ(fork->adapters(), one);
    EXPECT_TRUE(LogitsOf(*fork, ids) == LogitsOf(session, ids));
  }
  Session session(TinyModel("gemma3-text"), 0);
  session.Prefill(Ids{1, 2});
  ExpectError(Status::kArg, {"was loaded for another model"},
              [&] { session.SetAdapters(AdapterSet(Set{{Peft("llama-gqa")}})); });
  EXPECT_EQ(session.length(), 2);
}

Ids Generated(const std::shared_ptr<Session>& session, GenerateRequest request,
              uint64_t* cached = nullptr) {
  request.ignore_end = true;
  request.max_tokens = 6;
  Generation generation(session, std::move(request));
  Ids out;
  for (GenerateEvent event; generation.Next(event);) {
    if (event.kind == GenerateEvent::Kind::kToken && event.token >= 0) out.push_back(event.token);
  }
  if (cached != nullptr) *cached = generation.result().cached_tokens;
  return out;
}

TEST(AdapterRequestTest, ARequestsSetIsTheSessionsFromThenOn) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa");
  const AdapterSet set(Set{{Adapter::Null(*Peft("llama-gqa"), {.seed = 3, .init_scale = 0.5})}});
  const Ids prompt = {5, 17, 130, 7};
  const auto fresh = [&](const AdapterSet& with, const Ids& ids) {
    const auto session = std::make_shared<Session>(model, 0);
    return Generated(session, {.prompt = ids, .adapters = with});
  };
  const Ids base = fresh({}, prompt), adapted = fresh(set, prompt);
  EXPECT_NE(base, adapted);
  const auto session = std::make_shared<Session>(model, 0);
  uint64_t cached = 9;
  EXPECT_EQ(Generated(session, {.prompt = prompt, .whole_context = true}, &cached), base);
  const GenerateRequest with{.prompt = prompt, .whole_context = true, .adapters = set};
  EXPECT_EQ(Generated(session, with, &cached), adapted);
  EXPECT_EQ(cached, 0u) << "the base's keys";
  EXPECT_EQ(session->adapters(), set);
  EXPECT_EQ(Generated(session, {.prompt = prompt, .whole_context = true}, &cached), adapted);
  EXPECT_EQ(cached, 3u);
  // What the session holds is computed again where a request goes on under another set.
  Ids held = session->tokens();
  held.push_back(99);
  EXPECT_EQ(Generated(session, {.prompt = {99}, .adapters = AdapterSet()}), fresh({}, held));
}

TEST(AdapterRequestTest, WhatRunsKeepsItsVersion) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa");
  const auto like = Peft("llama-gqa");
  const auto version = [&](uint64_t seed) {
    return AdapterSet(Set{{Adapter::Null(*like, {.seed = seed, .init_scale = 0.5})}});
  };
  const Ids prompt = {5, 17, 130, 7};
  const auto whole = [&](const AdapterSet& set) {
    return Generated(std::make_shared<Session>(model, 0), {.prompt = prompt, .adapters = set});
  };
  const Ids first = whole(version(1)), second = whole(version(2));
  EXPECT_NE(first, second);
  Generation running(
      std::make_shared<Session>(model, 0),
      {.prompt = prompt, .max_tokens = 6, .adapters = version(1), .ignore_end = true});
  Ids got;
  GenerateEvent event;
  while (running.Next(event)) {
    if (event.kind == GenerateEvent::Kind::kToken) got.push_back(event.token);
    EXPECT_EQ(whole(version(2)), second);  // loaded, used and gone between two steps
  }
  EXPECT_EQ(got, first);
}

}  // namespace
}  // namespace inference
