// Versions, features, options, runtimes, devices and memory.
#include <mutex>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

using testing::HasSubstr;

TEST(Version, Numbers) {
  EXPECT_EQ(inf_version_number(), INF_VERSION_NUMBER);
  EXPECT_STREQ(inf_version_string(), "0.1.0");
  EXPECT_EQ(inf_abi_number(), 0u);
}

TEST(Version, CheckAbi) {
  EXPECT_OK(inf_check_abi(INF_VERSION_NUMBER, &err));
  EXPECT_OK(inf_check_abi(INF_VERSION_NUMBER + 7, &err));  // a later patch
  EXPECT_FAILS(INF_E_ABI, "0.2.0, this library is 0.1.0: the library is too old",
               inf_check_abi(200, &err));
  EXPECT_FAILS(INF_E_ABI, "library is too old", inf_check_abi(10000, &err));
  EXPECT_FAILS(INF_E_ABI, "the program is too old", inf_check_abi(0, &err));
}

TEST(Version, Features) {
  for (const std::string name :
       {"opencl", "gguf", "safetensors", "model.llama", "model.gemma3", "chat", "sampling"}) {
    EXPECT_EQ(inf_has_feature(name.data(), name.size()), 1) << name;
  }
  EXPECT_EQ(inf_has_feature("cuda", 4), 0);
  EXPECT_EQ(inf_has_feature("chat", 3), 0);
}

TEST(Version, BuildInfo) {
  Text json;
  ASSERT_OK(inf_build_info(&json, &err));
  const auto info = nlohmann::json::parse(Str(json));
  EXPECT_EQ(info["version"], "0.1.0");
  EXPECT_EQ(info["abi"], 0);
  EXPECT_EQ(info["features"].size(), 7u);
  EXPECT_TRUE(info["compiler"].is_string());
}

TEST(Version, StatusNames) {
  EXPECT_STREQ(inf_status_name(INF_OK), "OK");
  EXPECT_STREQ(inf_status_name(INF_E_CONTEXT_FULL), "CONTEXT_FULL");
  EXPECT_STREQ(inf_status_name(-9999), "UNKNOWN");
}

TEST(Options, AreListed) {
  std::vector<std::string> keys;
  for (const uint32_t scope : {INF_SCOPE_RUNTIME, INF_SCOPE_MODEL, INF_SCOPE_ADAPTER}) {
    for (uint32_t i = 0; i < inf_option_count(scope); ++i) {
      auto option = Sized<inf_option_desc>();
      ASSERT_OK(inf_option_info(scope, i, &option, &err));
      keys.emplace_back(option.key);
      EXPECT_GT(std::strlen(option.help), 10u);
      EXPECT_NE(option.default_text, nullptr);
    }
  }
  EXPECT_THAT(keys,
              testing::ElementsAre("cache_dir", "memory_limit", "device", "n_ctx", "prefill_chunk",
                                   "kv_type", "kv_limit", "prefix_cache", "activations",
                                   "parallel_slots", "allow_symlinks", "validate_weights",
                                   "chat_template", "template_effort", "adapter_scale"));
  EXPECT_EQ(inf_option_count(4), 0u);
  auto option = Sized<inf_option_desc>();
  EXPECT_FAILS(INF_E_ARG, "scope: is 4", inf_option_info(4, 0, &option, &err));
  EXPECT_FAILS(INF_E_ARG, "index: is 2, the scope has 2",
               inf_option_info(INF_SCOPE_RUNTIME, 2, &option, &err));
}

TEST(Options, AreChecked) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  EXPECT_FAILS(INF_E_NOT_FOUND, "no option 'n_ctxx'",
               inf_config_set_i64(config.get(), "n_ctxx", 6, 1, &err));
  EXPECT_FAILS(INF_E_ARG, "n_ctx is a string, want an integer",
               inf_config_set_str(config.get(), "n_ctx", 5, "1", 1, &err));
  EXPECT_FAILS(INF_E_ARG, "n_ctx is a float, want an integer",
               inf_config_set_f64(config.get(), "n_ctx", 5, 1.0, &err));
  EXPECT_FAILS(INF_E_ARG, "device is an integer, want a string",
               inf_config_set_i64(config.get(), "device", 6, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "prefill_chunk is 0, want 1..4096",
               inf_config_set_i64(config.get(), "prefill_chunk", 13, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "want 1..4096",
               inf_config_set_i64(config.get(), "prefill_chunk", 13, INT64_MAX, &err));
  EXPECT_FAILS(INF_E_ARG, "memory_limit is -1",
               inf_config_set_i64(config.get(), "memory_limit", 12, -1, &err));
  EXPECT_FAILS(INF_E_ARG, "prefix_cache is -2, want -1..",
               inf_config_set_i64(config.get(), "prefix_cache", 12, -2, &err));
  for (const std::string_view text : {"f8", "", "f32 f16", "f3", "F16", "q", "q8_0"}) {
    EXPECT_FAILS(INF_E_ARG, "kv_type is '" + std::string(text) + "', want one of: f32 f16 q8",
                 inf_config_set_str(config.get(), "kv_type", 7, text.data(), text.size(), &err));
  }
  EXPECT_FAILS(INF_E_ARG, "activations is 'int4', want one of: f32 int8",
               inf_config_set_str(config.get(), "activations", 11, "int4", 4, &err));
  EXPECT_FAILS(INF_E_ARG, "NUL", inf_config_set_str(config.get(), "device", 6, "a\0b", 3, &err));
}

TEST(Options, ReachTheModel) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "n_ctx", 5, 64, &err));
  ASSERT_OK(inf_config_set_str(config.get(), "device", 6, "0", 1, &err));
  const Model model = LoadModel(kTinyModel, config.get());
  auto desc = Sized<inf_model_desc>();
  ASSERT_OK(inf_model_info(model.get(), &desc, &err));
  EXPECT_EQ(desc.context_length, 64u);
  EXPECT_EQ(inf_session_capacity(NewSession(0, model.get()).get()), 64u);
}

TEST(Options, KeysAndValuesOfHalfTheSize) {
  const auto kv_bytes = [](const char* type) {
    Config config;
    EXPECT_OK(inf_config_new(config.out(), &err));
    EXPECT_OK(inf_config_set_str(config.get(), "kv_type", 7, type, 3, &err));
    const Model model = LoadModel(kTinyModel, config.get());
    auto desc = Sized<inf_model_desc>();
    EXPECT_OK(inf_model_info(model.get(), &desc, &err));
    const Session session = NewSession(0, model.get());
    Collector got;
    EXPECT_OK(
        inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &got, nullptr, &err));
    EXPECT_EQ(got.ids, GoldenContinuation()) << type;
    auto metrics = Sized<inf_metrics>();
    EXPECT_OK(inf_session_metrics(session.get(), &metrics, &err));
    return std::pair(desc.kv_bytes_per_token, metrics.kv_bytes);
  };
  const auto floats = kv_bytes("f32"), halves = kv_bytes("f16");
  EXPECT_GT(halves.second, 0u);
  EXPECT_EQ(floats.first, 2 * halves.first);
  EXPECT_EQ(floats.second, 2 * halves.second);
}

TEST(Runtimes, DevicesAreDescribed) {
  ASSERT_GE(inf_device_count(SharedRuntime()), 1u);
  uint32_t defaults = 0;
  for (uint32_t i = 0; i < inf_device_count(SharedRuntime()); ++i) {
    auto desc = Sized<inf_device_desc>();
    ASSERT_OK(inf_device_info(SharedRuntime(), i, &desc, &err));
    EXPECT_GE(desc.type, uint32_t{INF_DEVICE_CPU});
    EXPECT_NE(std::string(desc.name), "");
    EXPECT_GT(desc.memory_bytes, 0u);
    EXPECT_GT(desc.max_alloc_bytes, 0u);
    EXPECT_GT(desc.compute_units, 0u);
    defaults += desc.is_default;
  }
  EXPECT_EQ(defaults, 1u);
}

TEST(Runtimes, ReadBandwidth) {
  double gb_s = 0;
  ASSERT_OK(inf_device_read_bandwidth(SharedRuntime(), 0, 32 << 20, &gb_s, &err));
  EXPECT_GT(gb_s, 0.01);
}

TEST(Runtimes, AMemoryLimitByOption) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "memory_limit", 12, 1000, &err));
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(config.get(), nullptr, nullptr, nullptr, runtime.out(), &err));
  auto memory = Sized<inf_memory_desc>();
  ASSERT_OK(inf_memory_info(runtime.get(), 0, &memory, &err));
  EXPECT_EQ(memory.limit_bytes, 1000u);
  Model model;
  EXPECT_FAILS(INF_E_OOM_DEVICE, "1000",
               inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                              nullptr, nullptr, model.out(), &err));
}

TEST(Runtimes, ACacheFolderThatCannotBeWritten) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  const std::string folder = "/proc/no-such-folder";
  ASSERT_OK(inf_config_set_str(config.get(), "cache_dir", 9, folder.data(), folder.size(), &err));
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(config.get(), nullptr, nullptr, nullptr, runtime.out(), &err));
  Model model;
  EXPECT_FAILS(INF_E_IO, folder,
               inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                              nullptr, nullptr, model.out(), &err));
}

struct LogLines {
  std::mutex mutex;
  std::vector<std::string> lines;
  static void OnLog(void* user, int32_t level, const char* part, size_t part_len, const char* msg,
                    size_t msg_len) {
    auto& self = *static_cast<LogLines*>(user);
    const std::lock_guard lock(self.mutex);
    self.lines.push_back(std::to_string(level) + " " + std::string(part, part_len) + ": " +
                         std::string(msg, msg_len));
  }
};

TEST(Runtimes, TheLogGoesToItsSink) {
  LogLines log;
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(nullptr, LogLines::OnLog, &log, nullptr, runtime.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "level: is 5, want 1 to 4",
               inf_runtime_set_log_level(runtime.get(), 5, &err));
  ASSERT_OK(inf_runtime_set_log_level(runtime.get(), INF_LOG_DEBUG, &err));
  Model model;
  ASSERT_OK(inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                           nullptr, nullptr, model.out(), &err));
  ExpectWorks(NewSession(0, model.get()).get());
  const std::lock_guard lock(log.mutex);
  EXPECT_FALSE(log.lines.empty());
}

}  // namespace
}  // namespace inference::capi_test
