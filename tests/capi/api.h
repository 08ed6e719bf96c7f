// What the tests of the C API share: owning handles, an error that is ready to use, the tiny model.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "inference.h"

namespace inference::capi_test {

using Ids = std::vector<inf_token>;

struct Err : inf_error {
  Err() : inf_error{} { struct_size = sizeof(inf_error); }
  std::string_view text() const { return {msg, msg_len}; }
};

template <typename T>
T Sized() {
  T value = {};
  value.struct_size = sizeof(T);
  return value;
}

template <typename Handle, void (*kFree)(Handle*)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle* handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(other.release()) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() { kFree(handle_); }

  Handle* get() const { return handle_; }
  Handle** out() { return &handle_; }  // of an empty one
  void reset() { kFree(release()); }
  Handle* release() { return std::exchange(handle_, nullptr); }

 private:
  Handle* handle_ = nullptr;
};
using Config = Owned<inf_config, inf_config_free>;
using Runtime = Owned<inf_runtime, inf_runtime_free>;
using Cancel = Owned<inf_cancel, inf_cancel_free>;
using ModelList = Owned<inf_model_list, inf_model_list_free>;
using Model = Owned<inf_model, inf_model_free>;
using Adapter = Owned<inf_adapter, inf_adapter_free>;
using Tokenizer = Owned<inf_tokenizer, inf_tokenizer_free>;
using Detok = Owned<inf_detok, inf_detok_free>;
using Chat = Owned<inf_chat, inf_chat_free>;
using Session = Owned<inf_session, inf_session_free>;
using Request = Owned<inf_request, inf_request_free>;
using Gen = Owned<inf_gen, inf_gen_free>;
using Batch = Owned<inf_batch, inf_batch_free>;
using Inputs = Owned<inf_inputs, inf_inputs_free>;
using Items = Owned<inf_items, inf_items_free>;

template <typename Buffer, void (*kFree)(Buffer*)>
struct OwnedBuffer : Buffer {
  OwnedBuffer() : Buffer{} {}
  OwnedBuffer(const OwnedBuffer&) = delete;
  OwnedBuffer& operator=(const OwnedBuffer&) = delete;
  ~OwnedBuffer() { kFree(this); }
};
using Text = OwnedBuffer<inf_buf, inf_buf_free>;
using Tokens = OwnedBuffer<inf_tokens, inf_tokens_free>;
using Floats = OwnedBuffer<inf_floats, inf_floats_free>;

inline std::string Str(const inf_buf& buf) { return {buf.data, buf.len}; }
inline Ids List(const inf_tokens& tokens) { return {tokens.data, tokens.data + tokens.len}; }

// The call must fail with `status`, and its text must hold `part`.
#define EXPECT_FAILS(status_, part, call)                           \
  do {                                                              \
    Err err;                                                        \
    EXPECT_STREQ(inf_status_name(call), inf_status_name(status_));  \
    EXPECT_EQ(err.status, status_);                                 \
    EXPECT_THAT(std::string(err.text()), testing::HasSubstr(part)); \
  } while (false)

#define ASSERT_OK(call)                    \
  do {                                     \
    Err err;                               \
    ASSERT_EQ(call, INF_OK) << err.text(); \
  } while (false)
#define EXPECT_OK(call)                    \
  do {                                     \
    Err err;                               \
    EXPECT_EQ(call, INF_OK) << err.text(); \
  } while (false)

inline const std::string kTinyFolder = INFERENCE_TEST_DATA "/golden/tiny/llama-gqa";
inline const std::string kTinyModel = kTinyFolder + "/model";

// Made when first asked for. Freed at the end of the tests and not of the process: a device that
// outlives main() is not closed.
struct Shared : testing::Environment {
  void TearDown() override {
    tokenizer.reset();
    model.reset();
    runtime.reset();
  }
  Runtime runtime;
  Model model;
  Tokenizer tokenizer;
};
inline Shared* const kShared = static_cast<Shared*>(testing::AddGlobalTestEnvironment(new Shared));

inline inf_runtime* SharedRuntime() {
  Runtime& runtime = kShared->runtime;
  if (runtime.get() == nullptr) {
    EXPECT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
  }
  return runtime.get();
}

inline Model LoadModel(const std::string& path, const inf_config* config = nullptr) {
  Model model;
  EXPECT_OK(inf_model_load(SharedRuntime(), path.data(), path.size(), config, nullptr, nullptr,
                           nullptr, model.out(), &err));
  return model;
}

inline inf_model* SharedModel() {
  if (kShared->model.get() == nullptr) kShared->model = LoadModel(kTinyModel);
  return kShared->model.get();
}

inline inf_tokenizer* SharedTokenizer() {
  Tokenizer& tokenizer = kShared->tokenizer;
  if (tokenizer.get() == nullptr) {
    EXPECT_OK(inf_model_tokenizer(SharedModel(), tokenizer.out(), &err));
  }
  return tokenizer.get();
}

inline Session NewSession(uint64_t capacity = 0, inf_model* model = SharedModel()) {
  auto options = Sized<inf_session_options>();
  options.capacity = capacity;
  Session session;
  EXPECT_OK(inf_session_new(model, &options, session.out(), &err));
  return session;
}

inline const Ids kPrompt = {480, 350, 367, 370, 368};  // "The quick brown fox"

// Greedy, and going on after end-of-text ids.
inline Request NewRequest(const Ids& prompt = kPrompt, int32_t max_tokens = 40) {
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.max_tokens = max_tokens;
  sampling.flags = INF_SAMPLING_IGNORE_END;
  Request request;
  EXPECT_OK(inf_request_new(request.out(), &err));
  EXPECT_OK(inf_request_set_tokens(request.get(), prompt.data(), prompt.size(), &err));
  EXPECT_OK(inf_request_set_sampling(request.get(), &sampling, &err));
  return request;
}

// What a generation gave; as a callback it answers `answer` at event number `at`.
struct Collector {
  Ids ids;
  std::string text;
  int events = 0, at = -1;
  int32_t answer = 0;

  void Add(const inf_event& event) {
    ++events;
    if (event.kind != INF_EVENT_TOKEN) return;
    if (event.token >= 0) ids.push_back(event.token);
    text.append(event.text, event.text_len);
  }
  static int32_t OnEvent(void* user, const inf_event* event) {
    auto& self = *static_cast<Collector*>(user);
    self.Add(*event);
    return self.events - 1 == self.at ? self.answer : 0;
  }
};

inline const Ids& GoldenContinuation() {
  static const Ids ids = [] {
    FILE* file = std::fopen((kTinyFolder + "/golden.json").c_str(), "rb");
    const nlohmann::json golden = nlohmann::json::parse(file);
    std::fclose(file);
    return golden["generate"][0]["ids"].get<Ids>();
  }();
  return ids;
}

// The session must give the golden continuation after whatever was done to it.
inline void ExpectWorks(inf_session* session) {
  EXPECT_OK(inf_session_reset(session, &err));
  Collector got;
  EXPECT_OK(inf_generate(session, NewRequest().get(), Collector::OnEvent, &got, nullptr, &err));
  EXPECT_EQ(got.ids, GoldenContinuation());
}

}  // namespace inference::capi_test
