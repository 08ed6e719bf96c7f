// Adapters through the C ABI: what they say, sessions and requests under them, every error.
#include <cmath>
#include <filesystem>
#include <fstream>

#include "capi/api.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

namespace fs = std::filesystem;

const std::string kPeft = kTinyFolder + "/adapter-peft";

Adapter LoadAdapter(const std::string& path = kPeft) {
  Adapter adapter;
  EXPECT_OK(inf_adapter_load(SharedModel(), path.data(), path.size(), nullptr, nullptr,
                             adapter.out(), &err));
  return adapter;
}

// Strong enough to change the greedy text.
Adapter Noise(uint64_t seed) {
  const Adapter like = LoadAdapter();
  Adapter adapter;
  EXPECT_OK(inf_adapter_null(like.get(), seed, 0.5, 1.0, adapter.out(), &err));
  return adapter;
}

void SetAdapters(const Session& session, std::vector<const inf_adapter*> adapters,
                 const std::vector<float>& scales) {
  EXPECT_OK(inf_session_set_adapters(session.get(), adapters.data(), scales.data(), adapters.size(),
                                     &err));
}

std::vector<float> Logits(const Session& session) {
  EXPECT_OK(inf_session_reset(session.get(), &err));
  Floats out;
  EXPECT_OK(inf_session_logits(session.get(), kPrompt.data(), kPrompt.size(), nullptr, &out, &err));
  return {out.data, out.data + out.len};
}

Ids Generate(const Session& session, const Request& request) {
  Collector got;
  EXPECT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &got, nullptr, &err));
  return got.ids;
}

TEST(Adapter, TellsWhatItIs) {
  const Adapter adapter = LoadAdapter();
  auto desc = Sized<inf_adapter_desc>();
  ASSERT_OK(inf_adapter_info(adapter.get(), &desc, &err));
  auto model = Sized<inf_model_desc>();
  ASSERT_OK(inf_model_info(SharedModel(), &model, &err));
  EXPECT_EQ(desc.layers, model.num_layers);
  EXPECT_EQ(desc.modules, 2 * model.num_layers);  // q_proj and v_proj
  EXPECT_EQ(desc.max_rank, 8u);
  EXPECT_STREQ(desc.format, "peft");
  EXPECT_THAT(std::string(desc.path), testing::EndsWith("adapter-peft/adapter_model.safetensors"));
  EXPECT_EQ(std::strlen(desc.hash), 32u);
  const uint64_t heads = model.num_attention_heads + model.num_key_value_heads;
  EXPECT_EQ(desc.parameters,
            uint64_t{8} * model.num_layers * (2 * model.hidden_size + heads * model.head_dim));
  EXPECT_GE(desc.bytes, 4 * desc.parameters);
  EXPECT_LT(desc.bytes, model.weight_bytes / 4);
  const std::string hash = desc.hash;
  ASSERT_OK(inf_adapter_info(LoadAdapter(kPeft + "/adapter_model.safetensors").get(), &desc, &err));
  const Adapter noise = Noise(1);
  ASSERT_OK(inf_adapter_info(noise.get(), &desc, &err));
  EXPECT_STREQ(desc.format, "null");
  EXPECT_STREQ(desc.path, "");
  EXPECT_NE(desc.hash, hash);
}

TEST(Adapter, TakesItsBytesBesideTheWeightsAndGivesThemBack) {
  const auto active = [] {
    auto memory = Sized<inf_memory_desc>();
    EXPECT_OK(inf_memory_info(SharedRuntime(), 0, &memory, &err));
    return memory.active_bytes;
  };
  SharedModel();
  const uint64_t before = active();
  Adapter adapter = LoadAdapter();
  auto desc = Sized<inf_adapter_desc>();
  ASSERT_OK(inf_adapter_info(adapter.get(), &desc, &err));
  EXPECT_EQ(active() - before, desc.bytes);
  adapter.reset();
  EXPECT_EQ(active(), before);
}

TEST(Adapter, ASessionComputesUnderItsSet) {
  const Session session = NewSession();
  const std::vector<float> base = Logits(session);
  const Adapter adapter = LoadAdapter(), noise = Noise(1);
  SetAdapters(session, {adapter.get()}, {1.0f});
  EXPECT_EQ(inf_session_length(session.get()), 0u) << "computed under the base";
  const std::vector<float> one = Logits(session);
  EXPECT_NE(one, base);
  SetAdapters(session, {adapter.get(), adapter.get()}, {0.25f, 0.75f});
  EXPECT_EQ(inf_session_length(session.get()), kPrompt.size()) << "the same set";
  EXPECT_EQ(Logits(session), one);
  SetAdapters(session, {adapter.get()}, {0.5f});
  EXPECT_NE(Logits(session), one);
  SetAdapters(session, {noise.get(), adapter.get()}, {1.0f, 1.0f});
  const std::vector<float> both = Logits(session);
  SetAdapters(session, {adapter.get(), noise.get()}, {1.0f, 1.0f});
  EXPECT_EQ(Logits(session), both);
  SetAdapters(session, {adapter.get()}, {0.0f});
  EXPECT_EQ(Logits(session), base);
  const inf_adapter* alone = adapter.get();
  ASSERT_OK(inf_session_set_adapters(session.get(), &alone, nullptr, 1, &err));
  EXPECT_EQ(Logits(session), one) << "without scales, 1";
  ASSERT_OK(inf_session_set_adapters(session.get(), nullptr, nullptr, 0, &err));
  EXPECT_EQ(Logits(session), base);
}

TEST(Adapter, ScoresAreUnderTheSessionsSet) {
  const Session session = NewSession();
  const Adapter adapter = LoadAdapter();
  const auto total = [&] {
    auto desc = Sized<inf_score_desc>();
    EXPECT_OK(inf_score(session.get(), kPrompt.data(), 3, kPrompt.data() + 3, 2, nullptr, &desc,
                        nullptr, &err));
    return desc.total_logprob;
  };
  const double base = total();
  SetAdapters(session, {adapter.get()}, {1.0f});
  EXPECT_GT(std::abs(total() - base), 1e-3);
  SetAdapters(session, {}, {});
  EXPECT_EQ(total(), base);
}

TEST(Adapter, ARequestBringsItsSetAndOutlivesTheHandle) {
  const Session session = NewSession();
  Adapter first = Noise(1), second = Noise(2);
  const auto request_with = [](const Adapter& adapter) {
    Request request = NewRequest();
    const inf_adapter* list = adapter.get();
    EXPECT_OK(inf_request_set_adapters(request.get(), &list, nullptr, 1, &err));
    return request;
  };
  const Request one = request_with(first), two = request_with(second);
  const Ids with_first = Generate(session, one), with_second = Generate(NewSession(), two);
  EXPECT_NE(with_first, with_second);
  EXPECT_NE(with_first, GoldenContinuation());
  first.reset();  // the request keeps what it uses
  const Session fresh = NewSession();
  EXPECT_EQ(Generate(fresh, one), with_first);
  ASSERT_OK(inf_session_reset(fresh.get(), &err));
  EXPECT_EQ(Generate(fresh, NewRequest()), with_first) << "the session's from then on";
  ASSERT_OK(inf_session_reset(fresh.get(), &err));
  const Request base = NewRequest();
  ASSERT_OK(inf_request_set_adapters(base.get(), nullptr, nullptr, 0, &err));
  EXPECT_EQ(Generate(fresh, base), GoldenContinuation());
}

TEST(Adapter, WithoutAConfigTheOptionIsTheScale) {
  const TempDir folder;
  fs::copy_file(kPeft + "/adapter_model.safetensors", folder.Path("adapter_model.safetensors"));
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_f64(config.get(), "adapter_scale", 13, 2.0, &err));  // alpha 16 / r 8
  const std::string path = folder.path();
  Adapter adapter;
  ASSERT_OK(inf_adapter_load(SharedModel(), path.data(), path.size(), config.get(), nullptr,
                             adapter.out(), &err));
  auto desc = Sized<inf_adapter_desc>(), want = Sized<inf_adapter_desc>();
  ASSERT_OK(inf_adapter_info(adapter.get(), &desc, &err));
  const Adapter peft = LoadAdapter();
  ASSERT_OK(inf_adapter_info(peft.get(), &want, &err));
  EXPECT_STREQ(desc.hash, want.hash);
  EXPECT_FAILS(INF_E_ARG, "scale",
               inf_adapter_load(SharedModel(), kPeft.data(), kPeft.size(), config.get(), nullptr,
                                adapter.out(), &err));
}

TEST(Adapter, ErrorsNameWhatIsWrong) {
  Adapter none;
  const auto load = [&](const std::string& path, inf_error* err) {
    return inf_adapter_load(SharedModel(), path.data(), path.size(), nullptr, nullptr, none.out(),
                            err);
  };
  EXPECT_FAILS(INF_E_NOT_FOUND, "/nowhere", load("/nowhere", &err));
  EXPECT_FAILS(INF_E_ARG, "path", load("", &err));
  EXPECT_FAILS(INF_E_FORMAT, "adapter_model.safetensors",
               load(INFERENCE_TEST_DATA "/golden/tiny/gemma3-text/adapter-peft", &err));
  EXPECT_FAILS(INF_E_HANDLE, "model: is not a live inf_model",
               inf_adapter_load(reinterpret_cast<inf_model*>(16), kPeft.data(), kPeft.size(),
                                nullptr, nullptr, none.out(), &err));
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "adapter load",
               inf_adapter_load(SharedModel(), kPeft.data(), kPeft.size(), nullptr, cancel.get(),
                                none.out(), &err));
  EXPECT_EQ(none.get(), nullptr);

  Adapter adapter = LoadAdapter();
  EXPECT_FAILS(INF_E_ARG, "out", inf_adapter_null(adapter.get(), 1, 0.02, 1.0, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "init_scale is 0",
               inf_adapter_null(adapter.get(), 1, 0.0, 1.0, none.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "rank_scale is -2",
               inf_adapter_null(adapter.get(), 1, 0.02, -2.0, none.out(), &err));

  const Session session = NewSession();
  Logits(session);
  const inf_adapter* list[] = {adapter.get(), nullptr};
  const float scales[] = {1.0f, NAN};
  EXPECT_FAILS(INF_E_ARG, "adapters[1]: is NULL",
               inf_session_set_adapters(session.get(), list, scales, 2, &err));
  list[1] = list[0];
  EXPECT_FAILS(INF_E_ARG, "is nan, want a finite number",
               inf_session_set_adapters(session.get(), list, scales, 2, &err));
  EXPECT_FAILS(INF_E_ARG, "adapters",
               inf_session_set_adapters(session.get(), nullptr, nullptr, 1, &err));
  const Model other = LoadModel(kTinyModel);
  const Session others = NewSession(0, other.get());
  EXPECT_FAILS(INF_E_ARG, "was loaded for another model",
               inf_session_set_adapters(others.get(), list, nullptr, 1, &err));
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_adapters(request.get(), list, nullptr, 1, &err));
  EXPECT_FAILS(INF_E_ARG, "was loaded for another model",
               inf_generate(others.get(), request.get(), nullptr, nullptr, nullptr, &err));
  EXPECT_EQ(inf_session_length(session.get()), kPrompt.size()) << "as before the failures";
  adapter.reset();
  EXPECT_FAILS(INF_E_HANDLE, "adapters[0]: is not a live inf_adapter",
               inf_request_set_adapters(request.get(), list, nullptr, 1, &err));
  auto desc = Sized<inf_adapter_desc>();
  EXPECT_FAILS(INF_E_HANDLE, "adapter", inf_adapter_info(list[0], &desc, &err));
}

TEST(AdapterMerge, WritesAFolderThatLoads) {
  const TempDir folder;
  const std::string out = folder.Path("merged");
  const auto merge = [&](const std::string& model, float scale, inf_event_fn fn, inf_error* err) {
    return inf_adapter_merge(model.data(), model.size(), kPeft.data(), kPeft.size(), scale,
                             out.data(), out.size(), nullptr, nullptr, fn, nullptr, err);
  };
  EXPECT_FAILS(INF_E_UNSUPPORTED, "quantization: is present",
               merge(kTinyFolder + "/model-mlx-4bit", 1.0f, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "scale: is nan", merge(kTinyModel, NAN, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "path", merge("", 1.0f, nullptr, &err));
  EXPECT_FAILS(INF_E_CANCELLED, "merging weights",
               merge(
                   kTinyModel, 1.0f, [](void*, const inf_event*) { return 1; }, &err));
  EXPECT_FALSE(fs::exists(out));
  ASSERT_OK(merge(kTinyModel, 1.0f, nullptr, &err));
  EXPECT_FAILS(INF_E_STATE, out, merge(kTinyModel, 1.0f, nullptr, &err));
  const Model merged = LoadModel(out);
  const Session with = NewSession(), base = NewSession();
  const Adapter adapter = LoadAdapter();
  SetAdapters(with, {adapter.get()}, {1.0f});
  const std::vector<float> got = Logits(NewSession(0, merged.get())), want = Logits(with);
  const std::vector<float> before = Logits(base);
  double error = 0.0, effect = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(static_cast<double>(got[i] - want[i]), 2);
    effect += std::pow(static_cast<double>(before[i] - want[i]), 2);
  }
  EXPECT_LT(error, 0.05 * effect) << "all but what bfloat16 rounds away";
}

}  // namespace
}  // namespace inference::capi_test
