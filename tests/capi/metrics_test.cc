// What sessions and runtimes count.
#include "capi/api.h"

namespace inference::capi_test {
namespace {

using Json = nlohmann::json;

Json MetricsOf(const inf_runtime* runtime) {
  Text text;
  EXPECT_OK(inf_runtime_metrics(runtime, &text, &err));
  return Json::parse(Str(text));
}

inf_metrics MetricsOf(const Session& session) {
  auto metrics = Sized<inf_metrics>();
  EXPECT_OK(inf_session_metrics(session.get(), &metrics, &err));
  return metrics;
}

inf_result Generate(const Session& session, const Request& request) {
  auto result = Sized<inf_result>();
  EXPECT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, &result, &err));
  return result;
}

TEST(Metrics, OfASessionAreTheSumsOfItsRequests) {
  const Session session = NewSession();
  const inf_result first = Generate(session, NewRequest(kPrompt, 10));
  const inf_result second = Generate(session, NewRequest({7, 8}, 5));
  const inf_metrics sum = MetricsOf(session);
  EXPECT_EQ(sum.requests, 2u);
  EXPECT_EQ(sum.cancelled + sum.failed, 0u);
  EXPECT_EQ(sum.prompt_tokens, kPrompt.size() + 2);
  EXPECT_EQ(sum.cached_tokens, 0u);
  EXPECT_EQ(sum.generated_tokens, 15u);
  EXPECT_EQ(sum.prefill_ns, first.prefill_ns + second.prefill_ns);
  EXPECT_EQ(sum.decode_ns, first.decode_ns + second.decode_ns);
  EXPECT_EQ(sum.total_ns, first.total_ns + second.total_ns);
  EXPECT_EQ(sum.active_bytes, second.active_bytes);
  EXPECT_EQ(sum.peak_bytes, std::max(first.peak_bytes, second.peak_bytes));
  EXPECT_DOUBLE_EQ(sum.prefill_tok_s, 7e9 / static_cast<double>(sum.prefill_ns));
  EXPECT_DOUBLE_EQ(sum.decode_tok_s, 13e9 / static_cast<double>(sum.decode_ns));
}

TEST(Metrics, CountWhatEndedEarly) {
  const Session session = NewSession();
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  inf_cancel_trigger(cancel.get());
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_cancel(request.get(), cancel.get(), &err));
  EXPECT_FAILS(INF_E_CANCELLED, "cancelled",
               inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
  Collector aborts;
  aborts.at = 2;
  aborts.answer = -1;
  EXPECT_FAILS(
      INF_E_CALLBACK, "callback",
      inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &aborts, nullptr, &err));
  const inf_metrics sum = MetricsOf(session);
  EXPECT_EQ(sum.requests, 2u);
  EXPECT_EQ(sum.cancelled, 1u);
  EXPECT_EQ(sum.failed, 1u);
  EXPECT_EQ(sum.prompt_tokens, kPrompt.size());
}

TEST(Metrics, OfARuntime) {
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
  const Json fresh = MetricsOf(runtime.get());
  EXPECT_EQ(fresh["requests"], 0);
  EXPECT_EQ(fresh["prefill_tok_s"], 0.0);
  EXPECT_EQ(fresh["models"], Json::array());
  ASSERT_EQ(fresh["devices"].size(), inf_device_count(runtime.get()));
  EXPECT_EQ(fresh["devices"][0]["active_bytes"], 0);  // and it was not opened for that
  EXPECT_EQ(fresh["devices"][0]["programs_built"], 0);

  Model model;
  ASSERT_OK(inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                           nullptr, nullptr, model.out(), &err));
  auto desc = Sized<inf_model_desc>();
  ASSERT_OK(inf_model_info(model.get(), &desc, &err));
  inf_metrics sums[2];
  for (inf_metrics& sum : sums) {
    const Session session = NewSession(0, model.get());
    Generate(session, NewRequest(kPrompt, 10));
    sum = MetricsOf(session);
  }
  Session open = NewSession(0, model.get());
  Generate(open, NewRequest(kPrompt, 1));
  Json json = MetricsOf(runtime.get());
  Json& listed = json["models"][0];
  EXPECT_EQ(listed["steps"], 2 * 10 + 1);
  EXPECT_EQ(listed["shared_steps"], 0);
  EXPECT_EQ(listed["kv_used_bytes"], MetricsOf(open).kv_bytes);
  EXPECT_GE(listed["kv_bytes"], listed["kv_used_bytes"]);
  for (const char* key : {"steps", "shared_steps", "kv_bytes", "kv_used_bytes"}) listed.erase(key);
  EXPECT_EQ(json["requests"], 3);
  EXPECT_EQ(json["prompt_tokens"], 3 * kPrompt.size());
  EXPECT_EQ(json["generated_tokens"], 21);
  const inf_metrics last = MetricsOf(open);
  EXPECT_EQ(json["prefill_ns"], sums[0].prefill_ns + sums[1].prefill_ns + last.prefill_ns);
  EXPECT_EQ(json["total_ns"], sums[0].total_ns + sums[1].total_ns + last.total_ns);
  EXPECT_GE(json["uptime_ns"], json["total_ns"]);
  EXPECT_EQ(json["models"], Json::array({{{"path", kTinyModel},
                                          {"architecture", "llama"},
                                          {"device", desc.device},
                                          {"weight_bytes", desc.weight_bytes},
                                          {"prefix_cache",
                                           {{"limit_bytes", desc.weight_bytes},
                                            {"bytes", 0},
                                            {"blocks", 0},
                                            {"hits", 0},
                                            {"misses", 0},
                                            {"hit_tokens", 0},
                                            {"evictions", 0}}}}}));
  const Json& device = json["devices"][desc.device];
  auto memory = Sized<inf_memory_desc>();
  ASSERT_OK(inf_memory_info(runtime.get(), desc.device, &memory, &err));
  EXPECT_EQ(device["active_bytes"], memory.active_bytes);
  EXPECT_EQ(device["cached_bytes"], memory.cached_bytes);
  EXPECT_EQ(device["peak_bytes"], memory.peak_bytes);
  EXPECT_EQ(device["limit_bytes"], memory.limit_bytes);
  EXPECT_GT(device["programs_built"].get<int>() + device["programs_loaded"].get<int>(), 3);
  EXPECT_GT(device["programs_ns"], 0);

  model.reset();
  ASSERT_OK(inf_memory_set_limit(runtime.get(), 0, INF_NO_LIMIT, nullptr, &err));
  open.reset();
  const Json after = MetricsOf(runtime.get());
  EXPECT_EQ(after["models"], Json::array());
  EXPECT_EQ(after["requests"], 3);
  EXPECT_TRUE(after["devices"][0]["limit_bytes"].is_null());
  EXPECT_FAILS(INF_E_ARG, "json: is NULL", inf_runtime_metrics(runtime.get(), nullptr, &err));
}

TEST(Metrics, OfThePrefixCache) {
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
  const auto load = [&](int64_t bytes) {
    Config config;
    EXPECT_OK(inf_config_new(config.out(), &err));
    EXPECT_OK(inf_config_set_i64(config.get(), "prefix_cache", 12, bytes, &err));
    Model model;
    EXPECT_OK(inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), config.get(),
                             nullptr, nullptr, nullptr, model.out(), &err));
    return model;
  };
  const Model model = load(1 << 20);
  std::vector<inf_token> prompt(100);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<inf_token>(i * 7 % 500);
  EXPECT_EQ(Generate(NewSession(0, model.get()), NewRequest(prompt, 3)).cached_tokens, 0u);
  {
    const Session second = NewSession(0, model.get());
    const inf_result result = Generate(second, NewRequest(prompt, 3));
    EXPECT_EQ(result.cached_tokens, 64u);
    EXPECT_EQ(MetricsOf(second).cached_tokens, 64u);
    EXPECT_EQ(MetricsOf(second).prompt_tokens, 36u);
  }
  const Json cache = MetricsOf(runtime.get())["models"][0]["prefix_cache"];
  EXPECT_EQ(cache["limit_bytes"], 1 << 20);
  EXPECT_GT(cache["bytes"], 0);
  EXPECT_EQ(cache["blocks"], 1);
  EXPECT_EQ(cache["hits"], 1);
  EXPECT_EQ(cache["misses"], 1);
  EXPECT_EQ(cache["hit_tokens"], 64);
  auto memory = Sized<inf_memory_desc>(), trimmed = memory;
  ASSERT_OK(inf_memory_info(runtime.get(), 0, &memory, &err));
  ASSERT_OK(inf_memory_trim(runtime.get(), 0, &err));
  EXPECT_EQ(MetricsOf(runtime.get())["models"][0]["prefix_cache"]["bytes"], 0);
  ASSERT_OK(inf_memory_info(runtime.get(), 0, &trimmed, &err));
  EXPECT_LT(trimmed.active_bytes, memory.active_bytes);
  EXPECT_EQ(trimmed.cached_bytes, 0u);
  const Model without = load(0);
  EXPECT_TRUE(MetricsOf(runtime.get())["models"][1]["prefix_cache"].is_null());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Generate(NewSession(0, without.get()), NewRequest(prompt, 3)).cached_tokens, 0u);
  }
}

// A load that fails leaves no model in the list.
TEST(Metrics, OfAFailedLoad) {
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
  ASSERT_OK(inf_memory_set_limit(runtime.get(), 0, 1000, nullptr, &err));
  Model model;
  EXPECT_FAILS(INF_E_OOM_DEVICE, "limit 1000",
               inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                              nullptr, nullptr, model.out(), &err));
  EXPECT_EQ(MetricsOf(runtime.get())["models"], Json::array());
}

}  // namespace
}  // namespace inference::capi_test
