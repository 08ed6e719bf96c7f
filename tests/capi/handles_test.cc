// NULL, garbage, stale and foreign handles at every entry point.
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

using Call = std::function<inf_status(void* handle, inf_error* err)>;

#define HANDLE_CALL(function, type, ...)                                                        \
  {                                                                                             \
#function,                                                                                  \
        [](void* handle,                                                                        \
           inf_error* err) { return function(static_cast<type*>(handle), ##__VA_ARGS__, err); } \
  }

// Every function that returns a status and takes a handle first, with nothing else that is valid.
const std::map<std::string, Call>& StatusCalls() {
  static const std::map<std::string, Call> calls = {
      HANDLE_CALL(inf_config_set_i64, inf_config, nullptr, 0, 0),
      HANDLE_CALL(inf_config_set_f64, inf_config, nullptr, 0, 0),
      HANDLE_CALL(inf_config_set_str, inf_config, nullptr, 0, nullptr, 0),
      HANDLE_CALL(inf_runtime_set_log_level, inf_runtime, 1),
      HANDLE_CALL(inf_device_info, inf_runtime, 0, nullptr),
      HANDLE_CALL(inf_device_read_bandwidth, inf_runtime, 0, 0, nullptr),
      HANDLE_CALL(inf_device_gemm_rate, inf_runtime, 0, nullptr),
      HANDLE_CALL(inf_device_tune, inf_runtime, 0, 1, nullptr),
      HANDLE_CALL(inf_profile_start, inf_runtime, 0),
      HANDLE_CALL(inf_profile_stop, inf_runtime, 0, nullptr),
      HANDLE_CALL(inf_memory_info, inf_runtime, 0, nullptr),
      HANDLE_CALL(inf_memory_set_limit, inf_runtime, 0, 0, nullptr),
      HANDLE_CALL(inf_memory_set_cache_limit, inf_runtime, 0, 0, nullptr),
      HANDLE_CALL(inf_runtime_metrics, inf_runtime, nullptr),
      HANDLE_CALL(inf_memory_reset_peak, inf_runtime, 0),
      HANDLE_CALL(inf_memory_trim, inf_runtime, 0),
      HANDLE_CALL(inf_discover, inf_runtime, nullptr, 0, nullptr, nullptr),
      HANDLE_CALL(inf_model_estimate, inf_runtime, nullptr, 0, nullptr, nullptr),
      HANDLE_CALL(inf_model_list_get, inf_model_list, 0, nullptr),
      HANDLE_CALL(inf_model_load, inf_runtime, nullptr, 0, nullptr, nullptr, nullptr, nullptr,
                  nullptr),
      HANDLE_CALL(inf_model_info, inf_model, nullptr),
      HANDLE_CALL(inf_model_tokenizer, inf_model, nullptr),
      HANDLE_CALL(inf_tokenize, inf_tokenizer, nullptr, 0, 0, nullptr),
      HANDLE_CALL(inf_detokenize, inf_tokenizer, nullptr, 0, 0, nullptr),
      HANDLE_CALL(inf_token_bytes, inf_tokenizer, 0, nullptr),
      HANDLE_CALL(inf_detok_new, inf_tokenizer, 0, nullptr),
      HANDLE_CALL(inf_detok_push, inf_detok, 0, nullptr),
      HANDLE_CALL(inf_detok_flush, inf_detok, nullptr),
      HANDLE_CALL(inf_chat_new, inf_tokenizer, nullptr),
      HANDLE_CALL(inf_chat_add, inf_chat, nullptr, 0, nullptr, 0),
      HANDLE_CALL(inf_chat_add_json, inf_chat, nullptr, 0),
      HANDLE_CALL(inf_chat_set_variables_json, inf_chat, nullptr, 0),
      HANDLE_CALL(inf_chat_set_template, inf_chat, nullptr, 0),
      HANDLE_CALL(inf_chat_clear, inf_chat),
      HANDLE_CALL(inf_chat_render, inf_chat, 0, nullptr, nullptr),
      HANDLE_CALL(inf_session_new, inf_model, nullptr, nullptr),
      HANDLE_CALL(inf_session_tokens, inf_session, nullptr),
      HANDLE_CALL(inf_session_reset, inf_session),
      HANDLE_CALL(inf_session_logits, inf_session, nullptr, 0, nullptr, nullptr),
      HANDLE_CALL(inf_score, inf_session, nullptr, 0, nullptr, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_score_text, inf_session, nullptr, 0, nullptr, 0, nullptr, nullptr, nullptr,
                  nullptr),
      HANDLE_CALL(inf_score_rolling, inf_session, nullptr, 0, 0, 0, nullptr, nullptr, nullptr,
                  nullptr, nullptr),
      HANDLE_CALL(inf_next_top, inf_session, nullptr, 0, 1, nullptr, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_session_metrics, inf_session, nullptr),
      HANDLE_CALL(inf_request_set_text, inf_request, nullptr, 0, 0),
      HANDLE_CALL(inf_request_set_tokens, inf_request, nullptr, 0),
      HANDLE_CALL(inf_request_set_chat, inf_request, nullptr),
      HANDLE_CALL(inf_request_set_sampling, inf_request, nullptr),
      HANDLE_CALL(inf_request_set_cancel, inf_request, nullptr),
      HANDLE_CALL(inf_request_add_stop, inf_request, nullptr, 0),
      HANDLE_CALL(inf_request_add_stop_token, inf_request, 0),
      HANDLE_CALL(inf_request_clear_stops, inf_request),
      HANDLE_CALL(inf_request_add_bias, inf_request, 0, 0.0f),
      HANDLE_CALL(inf_request_clear_bias, inf_request),
      HANDLE_CALL(inf_request_set_logprobs, inf_request, 0, 0),
      HANDLE_CALL(inf_request_set_overflow, inf_request, 0, 0),
      HANDLE_CALL(inf_generate, inf_session, nullptr, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_gen_start, inf_session, nullptr, nullptr),
      HANDLE_CALL(inf_gen_next, inf_gen, nullptr),
      HANDLE_CALL(inf_gen_result, inf_gen, nullptr),
      HANDLE_CALL(inf_adapter_load, inf_model, nullptr, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_adapter_null, inf_adapter, 0, 1.0, 1.0, nullptr),
      HANDLE_CALL(inf_adapter_info, inf_adapter, nullptr),
      HANDLE_CALL(inf_session_set_adapters, inf_session, nullptr, nullptr, 0),
      HANDLE_CALL(inf_request_set_adapters, inf_request, nullptr, nullptr, 0),
      HANDLE_CALL(inf_inputs_add_text, inf_inputs, nullptr, 0, 0),
      HANDLE_CALL(inf_inputs_add_tokens, inf_inputs, nullptr, 0),
      HANDLE_CALL(inf_score_many, inf_session, nullptr, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_next_many, inf_session, nullptr, 1, nullptr, nullptr),
      HANDLE_CALL(inf_classify, inf_model, nullptr, nullptr, nullptr, 0, nullptr, nullptr),
      HANDLE_CALL(inf_embed, inf_model, nullptr, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_diff, inf_model, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_items_diff, inf_items, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_items_moved, inf_items, 0, 0, nullptr, nullptr),
      HANDLE_CALL(inf_items_score, inf_items, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_items_next, inf_items, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_items_class, inf_items, 0, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_items_vector, inf_items, 0, nullptr),
      HANDLE_CALL(inf_session_truncate, inf_session, 0),
      HANDLE_CALL(inf_session_fork, inf_session, nullptr),
      HANDLE_CALL(inf_session_save, inf_session, nullptr),
      HANDLE_CALL(inf_session_load, inf_session, nullptr, 0),
      HANDLE_CALL(inf_session_save_file, inf_session, nullptr, 0),
      HANDLE_CALL(inf_session_load_file, inf_session, nullptr, 0),
      HANDLE_CALL(inf_batch_new, inf_model, nullptr, nullptr),
      HANDLE_CALL(inf_batch_add, inf_batch, nullptr, nullptr, nullptr),
      HANDLE_CALL(inf_batch_remove, inf_batch, 0),
      HANDLE_CALL(inf_batch_next, inf_batch, nullptr),
      HANDLE_CALL(inf_batch_run, inf_batch, nullptr, nullptr),
  };
  return calls;
}

// Those without a status: what they give for a handle that is none.
struct PlainCall {
  std::function<int64_t(void* handle)> call;
  int64_t want;
};
#define PLAIN_CALL(function, want, type, ...)                                                      \
  {                                                                                                \
#function, {                                                                                   \
      [](void* handle) -> int64_t { return function(static_cast<type*>(handle), ##__VA_ARGS__); }, \
          want                                                                                     \
    }                                                                                              \
  }
#define VOID_CALL(function, type)             \
  {                                           \
#function, {                              \
      [](void* handle) -> int64_t {           \
        function(static_cast<type*>(handle)); \
        return 0;                             \
      },                                      \
          0                                   \
    }                                         \
  }
const std::map<std::string, PlainCall>& PlainCalls() {
  static const std::map<std::string, PlainCall> calls = {
      PLAIN_CALL(inf_device_count, 0, inf_runtime),
      PLAIN_CALL(inf_cancel_is_set, 0, inf_cancel),
      PLAIN_CALL(inf_special_token, -1, inf_tokenizer, INF_SPECIAL_BOS),
      PLAIN_CALL(inf_token_is_end, 0, inf_tokenizer, 0),
      PLAIN_CALL(inf_vocab_size, 0, inf_tokenizer),
      PLAIN_CALL(inf_model_list_count, 0, inf_model_list),
      PLAIN_CALL(inf_items_count, 0, inf_items),
      PLAIN_CALL(inf_session_length, 0, inf_session),
      PLAIN_CALL(inf_session_capacity, 0, inf_session),
      VOID_CALL(inf_config_free, inf_config),
      VOID_CALL(inf_runtime_free, inf_runtime),
      VOID_CALL(inf_cancel_trigger, inf_cancel),
      VOID_CALL(inf_cancel_reset, inf_cancel),
      VOID_CALL(inf_cancel_free, inf_cancel),
      VOID_CALL(inf_model_list_free, inf_model_list),
      VOID_CALL(inf_model_free, inf_model),
      VOID_CALL(inf_tokenizer_free, inf_tokenizer),
      VOID_CALL(inf_detok_free, inf_detok),
      VOID_CALL(inf_chat_free, inf_chat),
      VOID_CALL(inf_session_free, inf_session),
      VOID_CALL(inf_request_free, inf_request),
      VOID_CALL(inf_gen_free, inf_gen),
      VOID_CALL(inf_batch_free, inf_batch),
      VOID_CALL(inf_adapter_free, inf_adapter),
      VOID_CALL(inf_inputs_free, inf_inputs),
      VOID_CALL(inf_items_free, inf_items),
  };
  return calls;
}

// Functions that take no handle first; the other tests call them with NULL and garbage.
const std::set<std::string> kWithoutHandle = {
    "inf_version_number", "inf_version_string", "inf_abi_number",   "inf_check_abi",
    "inf_has_feature",    "inf_build_info",     "inf_status_name",  "inf_buf_free",
    "inf_tokens_free",    "inf_floats_free",    "inf_option_count", "inf_option_info",
    "inf_config_new",     "inf_runtime_new",    "inf_cancel_new",   "inf_tokenizer_load",
    "inf_quantize",       "inf_sampling_init",  "inf_request_new",  "inf_finish_name",
    "inf_inputs_new",     "inf_adapter_merge"};

TEST(Handles, EveryExportIsTriedHere) {
  std::set<std::string> tried = kWithoutHandle;
  for (const auto& [name, call] : StatusCalls()) tried.insert(name);
  for (const auto& [name, call] : PlainCalls()) tried.insert(name);
  std::set<std::string> exports;
  std::ifstream file(INFERENCE_EXPORTS);
  for (std::string line; std::getline(file, line);) exports.insert(line);
  EXPECT_EQ(tried, exports);
}

TEST(Handles, Null) {
  for (const auto& [name, call] : StatusCalls()) {
    SCOPED_TRACE(name);
    EXPECT_FAILS(INF_E_ARG, "is NULL", call(nullptr, &err));
    EXPECT_EQ(call(nullptr, nullptr), INF_E_ARG);
  }
  for (const auto& [name, entry] : PlainCalls()) EXPECT_EQ(entry.call(nullptr), entry.want) << name;
}

std::vector<void*> Garbage() {
  static int on_the_heap;
  int on_the_stack = 0;
  std::vector<void*> garbage = {&on_the_heap, &on_the_stack};
  for (const uint64_t bits :
       {uint64_t{1}, uint64_t{8}, uint64_t{0x1000}, ~uint64_t{0}, uint64_t{0x5A} << 56,
        uint64_t{0x5A0000000100FFF0}, uint64_t{0x5AFFFFFFFFFFFFF0}, uint64_t{0x5A00000001000001},
        uint64_t{0xDEADBEEFDEADBEEF}}) {
    garbage.push_back(reinterpret_cast<void*>(bits));
  }
  uint64_t random = 88172645463325252;
  for (int i = 0; i < 200; ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    garbage.push_back(reinterpret_cast<void*>(random));
  }
  return garbage;
}

TEST(Handles, Random) {
  for (void* garbage : Garbage()) {
    for (const auto& [name, call] : StatusCalls()) {
      EXPECT_EQ(call(garbage, nullptr), INF_E_HANDLE) << name << garbage;
    }
    for (const auto& [name, entry] : PlainCalls()) {
      EXPECT_EQ(entry.call(garbage), entry.want) << name << garbage;
    }
  }
}

TEST(Handles, FreedOnesAreRefused) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  inf_config* stale = config.get();
  config.reset();
  EXPECT_FAILS(INF_E_HANDLE, "config: is not a live inf_config",
               inf_config_set_i64(stale, "n_ctx", 5, 1, &err));
  inf_config_free(stale);
  // Its slot serves others; the old number stays dead.
  std::vector<Config> others(100);
  for (Config& other : others) {
    ASSERT_OK(inf_config_new(other.out(), &err));
    EXPECT_NE(other.get(), stale);
  }
  inf_config_free(stale);
  EXPECT_EQ(inf_config_set_i64(stale, "n_ctx", 5, 1, nullptr), INF_E_HANDLE);
  for (Config& other : others) {
    EXPECT_OK(inf_config_set_i64(other.get(), "n_ctx", 5, 1, &err));
  }
}

TEST(Handles, OtherTypesAreRefused) {
  const Session session = NewSession();
  void* foreign = session.get();
  for (const auto& [name, call] : StatusCalls()) {
    if (name.find("session") != name.npos && name != "inf_session_new") continue;
    if (name == "inf_generate" || name == "inf_gen_start") continue;
    if (name.starts_with("inf_score") || name.starts_with("inf_next")) continue;
    EXPECT_EQ(call(foreign, nullptr), INF_E_HANDLE) << name;
  }
  for (const auto& [name, entry] : PlainCalls()) {
    if (name.find("session") != name.npos) continue;
    EXPECT_EQ(entry.call(foreign), entry.want) << name;
  }
  ExpectWorks(session.get());
}

TEST(Handles, InEveryOtherPlace) {
  auto* garbage = reinterpret_cast<void*>(uint64_t{0xDEADBEEFDEADBEE0});
  const Session session = NewSession();
  const Request request = NewRequest();
  Runtime runtime;
  EXPECT_FAILS(INF_E_HANDLE, "config",
               inf_runtime_new(static_cast<inf_config*>(garbage), nullptr, nullptr, nullptr,
                               runtime.out(), &err));
  Model model;
  EXPECT_FAILS(
      INF_E_HANDLE, "cancel",
      inf_model_load(SharedRuntime(), kTinyModel.data(), kTinyModel.size(), nullptr,
                     static_cast<inf_cancel*>(garbage), nullptr, nullptr, model.out(), &err));
  EXPECT_EQ(model.get(), nullptr);
  EXPECT_FAILS(INF_E_HANDLE, "request",
               inf_generate(session.get(), static_cast<inf_request*>(garbage), nullptr, nullptr,
                            nullptr, &err));
  EXPECT_FAILS(INF_E_HANDLE, "chat",
               inf_request_set_chat(request.get(), static_cast<inf_chat*>(garbage), &err));
  EXPECT_FAILS(INF_E_HANDLE, "cancel",
               inf_request_set_cancel(request.get(), static_cast<inf_cancel*>(garbage), &err));
  ExpectWorks(session.get());
}

TEST(Handles, AnyOrderOfFreesIsRight) {
  bool freed = false;
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(
      nullptr, nullptr, &freed, [](void* user) { *static_cast<bool*>(user) = true; }, runtime.out(),
      &err));
  Model model;
  ASSERT_OK(inf_model_load(runtime.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                           nullptr, nullptr, model.out(), &err));
  Tokenizer tokenizer;
  ASSERT_OK(inf_model_tokenizer(model.get(), tokenizer.out(), &err));
  Session session = NewSession(0, model.get());
  runtime.reset();
  model.reset();
  EXPECT_FALSE(freed);
  ExpectWorks(session.get());
  session.reset();
  EXPECT_TRUE(freed);
  EXPECT_EQ(inf_vocab_size(tokenizer.get()), 485u);
}

TEST(Handles, UserFreeMayCallTheLibrary) {
  Runtime runtime;
  ASSERT_OK(inf_runtime_new(
      nullptr, nullptr, nullptr,
      [](void*) {
        Config config;
        EXPECT_EQ(inf_config_new(config.out(), nullptr), INF_OK);
      },
      runtime.out(), &err));
}

TEST(Handles, UserFreeIsNotCalledAfterAFailure) {
  bool freed = false;
  EXPECT_FAILS(INF_E_ARG, "out: is NULL",
               inf_runtime_new(
                   nullptr, nullptr, &freed, [](void* user) { *static_cast<bool*>(user) = true; },
                   nullptr, &err));
  EXPECT_FALSE(freed);
}

}  // namespace
}  // namespace inference::capi_test
