// Profiles through the C ABI: what each token launches and reads, and that nothing else changes.
#include "capi/api.h"

namespace inference::capi_test {
namespace {

using Json = nlohmann::json;

Json Stop() {
  Text text;
  EXPECT_OK(inf_profile_stop(SharedRuntime(), 0, &text, &err));
  return Json::parse(Str(text))["kernels"];
}

TEST(Profile, StateAndArguments) {
  Text text;
  EXPECT_FAILS(INF_E_STATE, "profile: none runs on device",
               inf_profile_stop(SharedRuntime(), 0, &text, &err));
  EXPECT_FAILS(INF_E_ARG, "device: is 4294967295", inf_profile_start(SharedRuntime(), ~0u, &err));
  EXPECT_FAILS(INF_E_ARG, "device: is 4294967295",
               inf_profile_stop(SharedRuntime(), ~0u, &text, &err));
  ASSERT_OK(inf_profile_start(SharedRuntime(), 0, &err));
  EXPECT_FAILS(INF_E_STATE, "profile: one runs on device",
               inf_profile_start(SharedRuntime(), 0, &err));
  EXPECT_FAILS(INF_E_ARG, "json: is NULL", inf_profile_stop(SharedRuntime(), 0, nullptr, &err));
  EXPECT_EQ(text.len, 0u);
  EXPECT_EQ(Stop(), Json::array());  // the NULL did not end it
}

TEST(Profile, GemmRate) {
  double gflop_s = 0;
  ASSERT_OK(inf_device_gemm_rate(SharedRuntime(), 0, &gflop_s, &err));
  EXPECT_GT(gflop_s, 0.01);
  EXPECT_FAILS(INF_E_ARG, "gflop_s: is NULL",
               inf_device_gemm_rate(SharedRuntime(), 0, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "device", inf_device_gemm_rate(SharedRuntime(), ~0u, &gflop_s, &err));
}

TEST(Tune, ShowsAndRefusesArguments) {
  Text text;
  ASSERT_OK(inf_device_tune(SharedRuntime(), 0, INF_TUNE_SHOW, &text, &err));
  const Json table = Json::parse(Str(text));
  EXPECT_EQ(table["format"], 1);
  EXPECT_EQ(table["library"], inf_version_string());
  EXPECT_TRUE(table["matmul"].is_array());
  for (const int32_t action : {0, 4, -1}) {
    EXPECT_FAILS(INF_E_ARG, "action: is " + std::to_string(action) + ", want 1 to 3",
                 inf_device_tune(SharedRuntime(), 0, action, &text, &err));
  }
  EXPECT_FAILS(INF_E_ARG, "device: is 4294967295",
               inf_device_tune(SharedRuntime(), ~0u, INF_TUNE_MEASURE, &text, &err));
  EXPECT_FAILS(INF_E_ARG, "json: is NULL",
               inf_device_tune(SharedRuntime(), 0, INF_TUNE_MEASURE, nullptr, &err));
}

// Three layers of four products, rope and attention; embedding, head and sampler.
TEST(Profile, ATokenReadsTheWeightsOnce) {
  auto model = Sized<inf_model_desc>();
  ASSERT_OK(inf_model_info(SharedModel(), &model, &err));
  const Session session = NewSession();
  const Request request = NewRequest(kPrompt, 5);
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  const inf_event* event = nullptr;
  do {
    ASSERT_OK(inf_gen_next(gen.get(), &event, &err));
  } while (event->kind != INF_EVENT_TOKEN);
  ASSERT_OK(inf_profile_start(SharedRuntime(), model.device, &err));
  Err err;
  while (inf_gen_next(gen.get(), &event, &err) == INF_OK) continue;
  const Json kernels = Stop();

  constexpr uint64_t kTokens = 4;
  uint64_t products = 0, weights = 0, flops = 0;
  std::map<std::string, uint64_t> launches;
  for (const Json& kernel : kernels) {
    const std::string name = kernel["kernel"];
    launches[name] += kernel["launches"].get<uint64_t>();
    weights += kernel["weight_bytes"].get<uint64_t>();
    if (name.rfind("mat", 0) != 0) continue;
    products += kernel["launches"].get<uint64_t>();
    flops += kernel["flops"].get<uint64_t>();
    EXPECT_EQ(kernel["what"].get<std::string>().rfind("BF16 ", 0), 0u) << kernel;
    EXPECT_GT(kernel["ns"], 0);
  }
  EXPECT_EQ(products, kTokens * (3 * 4 + 1));
  EXPECT_EQ(launches["rope_append"], kTokens * 3);
  EXPECT_EQ(launches["attend"] + launches["attend_blocks"], kTokens * 3);  // one of them
  for (const char* name : {"embed", "sample_partial", "sample_pick"}) {
    EXPECT_EQ(launches[name], kTokens);
  }
  // All that inf_model_info counts, but for the sixteen frequencies of the rotation.
  EXPECT_EQ(weights, kTokens * (model.decode_bytes_per_token - 16 * 4));
  constexpr uint64_t kValues = 3 * ((4 + 2 * 2) * 32 * 128 + 128 * 128 + 3 * 96 * 128) + 512 * 128;
  EXPECT_GE(flops, kTokens * 2 * kValues);
  EXPECT_LT(flops, kTokens * 2 * kValues * 11 / 10);  // norms
}

TEST(Profile, ResultsStayTheSame) {
  const Session session = NewSession();
  ASSERT_OK(inf_profile_start(SharedRuntime(), 0, &err));
  ExpectWorks(session.get());
  EXPECT_FALSE(Stop().empty());
  ExpectWorks(session.get());
}

}  // namespace
}  // namespace inference::capi_test
