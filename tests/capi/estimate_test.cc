// inf_model_estimate against what a load and a full session really take.
#include "capi/api.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

class EstimateOf : public testing::TestWithParam<const char*> {
 protected:
  static Config NewConfig(int64_t n_ctx, int64_t chunk, std::string_view kv_type) {
    Config config;
    EXPECT_OK(inf_config_new(config.out(), &err));
    EXPECT_OK(inf_config_set_i64(config.get(), "n_ctx", 5, n_ctx, &err));
    EXPECT_OK(inf_config_set_i64(config.get(), "prefill_chunk", 13, chunk, &err));
    EXPECT_OK(inf_config_set_str(config.get(), "kv_type", 7, kv_type.data(), kv_type.size(), &err));
    return config;
  }

  std::string path_ = std::string(INFERENCE_TEST_DATA "/golden/tiny/") + GetParam() + "/model";
};

inf_fit_desc Estimate(inf_runtime* runtime, const std::string& path, const inf_config* config) {
  auto fit = Sized<inf_fit_desc>();
  EXPECT_OK(inf_model_estimate(runtime, path.data(), path.size(), config, &fit, &err));
  return fit;
}

// Weights and, but for sliding windows, KV exactly; scratch is a bound that is not passed, and is
// no more than 8 MiB or four times too high.
TEST_P(EstimateOf, IsWhatALoadTakes) {
  struct Case {
    int64_t n_ctx, chunk;
    const char* kv_type;
  };
  for (const auto& [n_ctx, chunk, kv_type] : {Case{512, 256, "f32"},
                                              {512, 512, "f32"},
                                              {300, 64, "f32"},
                                              {40, 7, "f32"},
                                              {512, 256, "f16"},
                                              {300, 7, "f16"},
                                              {512, 256, "q8"},
                                              {300, 7, "q8"}}) {
    SCOPED_TRACE(std::to_string(n_ctx) + " " + kv_type);
    Runtime runtime;
    ASSERT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
    const Config config = NewConfig(n_ctx, chunk, kv_type);
    const inf_fit_desc fit = Estimate(runtime.get(), path_, config.get());
    EXPECT_EQ(fit.context_length, static_cast<uint32_t>(n_ctx));
    EXPECT_EQ(fit.active_bytes, 0u);
    EXPECT_EQ(fit.fits, 1u);
    EXPECT_EQ(fit.missing_bytes, 0u);
    EXPECT_EQ(fit.wanted_bytes, fit.weight_bytes + fit.kv_bytes + fit.scratch_bytes);

    Model model;
    ASSERT_OK(inf_model_load(runtime.get(), path_.data(), path_.size(), config.get(), nullptr,
                             nullptr, nullptr, model.out(), &err));
    auto info = Sized<inf_model_desc>();
    ASSERT_OK(inf_model_info(model.get(), &info, &err));
    EXPECT_EQ(fit.weight_bytes, info.weight_bytes);
    EXPECT_EQ(fit.kv_bytes_per_token, info.kv_bytes_per_token);
    EXPECT_EQ(fit.context_length, info.context_length);

    Session session;
    ASSERT_OK(inf_session_new(model.get(), nullptr, session.out(), &err));
    Request request;
    ASSERT_OK(inf_request_new(request.out(), &err));
    auto sampling = inf_sampling();
    inf_sampling_init(&sampling);
    sampling.flags = INF_SAMPLING_IGNORE_END;
    sampling.temperature = 1.0f;
    const auto prompt_size = static_cast<size_t>(n_ctx - 5);
    const Ids prompt(prompt_size, 3);
    ASSERT_OK(inf_request_set_tokens(request.get(), prompt.data(), prompt.size(), &err));
    ASSERT_OK(inf_request_set_sampling(request.get(), &sampling, &err));
    auto result = Sized<inf_result>();
    ASSERT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, &result, &err));
    EXPECT_GE(inf_session_length(session.get()), static_cast<uint64_t>(n_ctx - 1));
    auto metrics = Sized<inf_metrics>();
    ASSERT_OK(inf_session_metrics(session.get(), &metrics, &err));
    // A window gives back what it has left behind: its most is while a chunk is computed.
    const bool has_windows = path_.find("gemma") != path_.npos;
    EXPECT_LE(metrics.kv_bytes, fit.kv_bytes);
    EXPECT_GT(metrics.kv_bytes, fit.kv_bytes_per_token * static_cast<uint64_t>(n_ctx - 1));
    if (!has_windows) {
      EXPECT_EQ(metrics.kv_bytes, fit.kv_bytes);
    }

    auto memory = Sized<inf_memory_desc>();
    ASSERT_OK(inf_memory_info(runtime.get(), fit.device, &memory, &err));
    const uint64_t scratch = memory.peak_bytes - fit.weight_bytes - fit.kv_bytes;
    RecordProperty("scratch", static_cast<int>(scratch));
    EXPECT_LE(scratch, fit.scratch_bytes);
    EXPECT_LE(fit.scratch_bytes, 4 * scratch + (8u << 20));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, EstimateOf,
                         testing::Values("llama-gqa", "gemma3-text", "gemma2", "qwen2-bias"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Estimate, WhatDoesNotFitSaysByHowMuch) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "memory_limit", 12, 300000, &err));
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(config.get(), nullptr, nullptr, nullptr, runtime.out(), &err));
  const inf_fit_desc fit = Estimate(runtime.get(), kTinyModel, nullptr);
  EXPECT_EQ(fit.fits, 0u);
  EXPECT_EQ(fit.limit_bytes, 300000u);
  EXPECT_EQ(fit.missing_bytes, fit.wanted_bytes - 300000);
}

TEST(Estimate, CountsWhatIsInUse) {
  const inf_fit_desc before = Estimate(SharedRuntime(), kTinyModel, nullptr);
  const Model model = LoadModel(kTinyModel);
  const inf_fit_desc after = Estimate(SharedRuntime(), kTinyModel, nullptr);
  EXPECT_GE(after.active_bytes, before.active_bytes + before.weight_bytes);
  EXPECT_EQ(after.wanted_bytes, before.wanted_bytes);
}

TEST(Estimate, Errors) {
  auto fit = Sized<inf_fit_desc>();
  fit.weight_bytes = 7;
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such",
               inf_model_estimate(SharedRuntime(), "/no/such", 8, nullptr, &fit, &err));
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "n_ctx", 5, 1 << 20, &err));
  EXPECT_FAILS(INF_E_ARG, "n_ctx is 1048576",
               inf_model_estimate(SharedRuntime(), kTinyModel.data(), kTinyModel.size(),
                                  config.get(), &fit, &err));
  const TempDir folder;
  folder.Write("config.json", R"({"model_type": "gpt99"})");
  folder.Write("model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  EXPECT_FAILS(INF_E_UNSUPPORTED, "gpt99",
               inf_model_estimate(SharedRuntime(), folder.path().data(), folder.path().size(),
                                  nullptr, &fit, &err));
  EXPECT_FAILS(INF_E_ARG, "out",
               inf_model_estimate(SharedRuntime(), kTinyModel.data(), kTinyModel.size(), nullptr,
                                  nullptr, &err));
  EXPECT_EQ(fit.weight_bytes, 7u);
}

}  // namespace
}  // namespace inference::capi_test
