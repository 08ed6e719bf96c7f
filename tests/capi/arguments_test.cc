// What arguments may be: sizes, flags, ranges, buffers and error structs.
#include <cfloat>
#include <cmath>
#include <limits>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

using testing::HasSubstr;

// ---- pointers ----

TEST(Arguments, NullWithALengthNamesTheParameter) {
  Tokens ids;
  Text text;
  EXPECT_FAILS(INF_E_ARG, "text: is NULL, its length is 3",
               inf_tokenize(SharedTokenizer(), nullptr, 3, 0, &ids, &err));
  EXPECT_FAILS(INF_E_ARG, "ids: is NULL",
               inf_detokenize(SharedTokenizer(), nullptr, 3, 0, &text, &err));
  Model model;
  EXPECT_FAILS(INF_E_ARG, "path: is NULL",
               inf_model_load(SharedRuntime(), nullptr, 5, nullptr, nullptr, nullptr, nullptr,
                              model.out(), &err));
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_ARG, "text: is NULL",
               inf_request_set_text(request.get(), nullptr, 1, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "ids: is NULL", inf_request_set_tokens(request.get(), nullptr, 1, &err));
  Chat chat;
  ASSERT_OK(inf_chat_new(SharedTokenizer(), chat.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "role: is NULL", inf_chat_add(chat.get(), nullptr, 1, "x", 1, &err));
  EXPECT_FAILS(INF_E_ARG, "text: is NULL", inf_chat_add(chat.get(), "user", 4, nullptr, 1, &err));
  EXPECT_FAILS(INF_E_ARG, "json: is NULL", inf_chat_add_json(chat.get(), nullptr, 1, &err));
}

TEST(Arguments, NullWithLengthZeroIsEmpty) {
  Tokens ids;
  Text text;
  EXPECT_OK(inf_tokenize(SharedTokenizer(), nullptr, 0, 0, &ids, &err));
  EXPECT_EQ(ids.len, 0u);
  EXPECT_OK(inf_detokenize(SharedTokenizer(), nullptr, 0, 0, &text, &err));
  EXPECT_EQ(text.len, 0u);
  EXPECT_EQ(inf_has_feature(nullptr, 0), 0);
}

TEST(Arguments, AnAbsurdLengthIsNotBelieved) {
  Tokens ids;
  EXPECT_FAILS(INF_E_LIMIT, "text: has 18446744073709551615 bytes",
               inf_tokenize(SharedTokenizer(), "x", SIZE_MAX, 0, &ids, &err));
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_LIMIT, "ids",
               inf_request_set_tokens(request.get(), kPrompt.data(), SIZE_MAX, &err));
  EXPECT_EQ(inf_has_feature("opencl", SIZE_MAX), 0);
}

TEST(Arguments, OutPointers) {
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_config_new(nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_cancel_new(nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_request_new(nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_session_new(SharedModel(), nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_model_info(SharedModel(), nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_model_tokenizer(SharedModel(), nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL",
               inf_model_load(SharedRuntime(), kTinyModel.data(), kTinyModel.size(), nullptr,
                              nullptr, nullptr, nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL",
               inf_tokenizer_load(kTinyModel.data(), kTinyModel.size(), nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL",
               inf_tokenize(SharedTokenizer(), "x", 1, 0, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "gb_s: is NULL",
               inf_device_read_bandwidth(SharedRuntime(), 0, 1 << 20, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "json: is NULL", inf_build_info(nullptr, &err));
  const Session session = NewSession();
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), NewRequest().get(), gen.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "event: is NULL", inf_gen_next(gen.get(), nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_gen_result(gen.get(), nullptr, &err));
}

TEST(Arguments, MisalignedOutPointers) {
  alignas(8) char memory[64] = {};
  EXPECT_FAILS(INF_E_ARG, "out: is not aligned to 8 bytes",
               inf_config_new(reinterpret_cast<inf_config**>(memory + 1), &err));
  auto* desc = reinterpret_cast<inf_model_desc*>(memory + 4);
  EXPECT_FAILS(INF_E_ARG, "out: is not aligned", inf_model_info(SharedModel(), desc, &err));
}

// ---- structs ----

TEST(Structs, TheSizeMustBeSet) {
  for (const uint32_t size : {0u, 1u, 7u, uint32_t{sizeof(inf_model_desc)} - 1, 0xFFFFFFFFu}) {
    inf_model_desc desc = {};
    desc.struct_size = size;
    EXPECT_FAILS(INF_E_ABI, "out: struct_size is", inf_model_info(SharedModel(), &desc, &err));
    EXPECT_EQ(desc.architecture, nullptr);
  }
  inf_sampling sampling = {};
  const Request request = NewRequest();
  EXPECT_FAILS(INF_E_ABI, "sampling: struct_size is 0",
               inf_request_set_sampling(request.get(), &sampling, &err));
}

struct NewerSampling {
  inf_sampling known;
  uint64_t unknown;
};

TEST(Structs, AnInStructOfANewerHeader) {
  NewerSampling sampling = {};
  inf_sampling_init(&sampling.known);
  sampling.known.struct_size = sizeof(sampling);
  const Request request = NewRequest();
  EXPECT_OK(inf_request_set_sampling(request.get(), &sampling.known, &err));
  sampling.unknown = 1;
  EXPECT_FAILS(INF_E_ABI, "byte 64 of 72 is set",
               inf_request_set_sampling(request.get(), &sampling.known, &err));
}

TEST(Structs, AnOutStructOfANewerHeader) {
  struct {
    inf_metrics known;
    uint64_t unknown;
  } metrics = {};
  metrics.known.struct_size = sizeof(metrics);
  metrics.unknown = 77;
  const Session session = NewSession();
  ASSERT_OK(inf_session_metrics(session.get(), &metrics.known, &err));
  EXPECT_EQ(metrics.known.struct_size, sizeof(metrics));
  EXPECT_EQ(metrics.unknown, 77u);
}

TEST(Structs, Reserved) {
  auto options = Sized<inf_session_options>();
  options.reserved = 1;
  Session session;
  EXPECT_FAILS(INF_E_ABI, "reserved is 1",
               inf_session_new(SharedModel(), &options, session.out(), &err));
  options.reserved = 0;
  options.capacity = 513;
  EXPECT_FAILS(INF_E_ARG, "capacity is 513, want 0..512",
               inf_session_new(SharedModel(), &options, session.out(), &err));
  options.capacity = UINT64_MAX;
  EXPECT_FAILS(INF_E_ARG, "capacity",
               inf_session_new(SharedModel(), &options, session.out(), &err));
  EXPECT_EQ(session.get(), nullptr);
}

// ---- inf_error ----

TEST(Errors, EverySizeOfTheStruct) {
  for (const uint32_t size : {0u, 1u, 7u, 8u, 16u, 23u, 24u, 25u, 26u, 100u, 1024u, 4000u}) {
    inf_error err;
    std::memset(&err, 0x55, sizeof(err));
    err.struct_size = size;
    EXPECT_EQ(inf_model_info(nullptr, nullptr, &err), INF_E_ARG);
    EXPECT_EQ(err.struct_size, size);
    EXPECT_EQ(err.status == INF_E_ARG, size >= 8) << size;
    const auto* bytes = reinterpret_cast<const unsigned char*>(&err);
    for (size_t i = std::max(4u, size); i < sizeof(err); ++i) {
      ASSERT_EQ(bytes[i], 0x55) << "byte " << i << " was written, struct_size is " << size;
    }
    if (size > 24) {
      EXPECT_LT(std::strlen(err.msg), std::min<size_t>(size - 24, sizeof(err.msg)));
      EXPECT_EQ(std::strlen(err.msg), err.msg_len);
    }
  }
}

TEST(Errors, MisalignedOnesAreLeftAlone) {
  alignas(8) char memory[sizeof(inf_error) + 8] = {};
  auto* err = reinterpret_cast<inf_error*>(memory + 1);
  EXPECT_EQ(inf_model_info(nullptr, nullptr, err), INF_E_ARG);
  for (const char byte : memory) ASSERT_EQ(byte, 0);
}

TEST(Errors, LongNamesWithFormatsAndBadUtf8) {
  std::string path = "/no/%n%s%s\xFF\xC3";
  path += std::string(10000, 'x');
  Err err;
  Model model;
  EXPECT_EQ(inf_model_load(SharedRuntime(), path.data(), path.size(), nullptr, nullptr, nullptr,
                           nullptr, model.out(), &err),
            INF_E_IO);
  EXPECT_EQ(err.msg[err.msg_len], '\0');
  EXPECT_THAT(err.msg, HasSubstr("%n%s%s"));
  for (const char c : err.text()) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(Errors, NoneIsWanted) { EXPECT_EQ(inf_model_info(nullptr, nullptr, nullptr), INF_E_ARG); }

// ---- buffers ----

TEST(Buffers, GrowAndAreReused) {
  Tokens ids;
  const std::string text(1000, 'a');
  ASSERT_OK(inf_tokenize(SharedTokenizer(), text.data(), text.size(), 0, &ids, &err));
  const inf_token* data = ids.data;
  const size_t cap = ids.cap;
  ASSERT_OK(inf_tokenize(SharedTokenizer(), text.data(), 10, 0, &ids, &err));
  EXPECT_EQ(ids.data, data);
  EXPECT_EQ(ids.cap, cap);
  EXPECT_LT(ids.len, 11u);
  inf_tokens_free(&ids);
  EXPECT_EQ(ids.data, nullptr);
  EXPECT_EQ(ids.cap, 0u);
  inf_tokens_free(&ids);
  inf_tokens_free(nullptr);
  inf_buf_free(nullptr);
  inf_floats_free(nullptr);
}

TEST(Buffers, OnesThatWereNotZeroed) {
  inf_tokens ids = {reinterpret_cast<inf_token*>(uintptr_t{0x1000}), 0, 0};
  EXPECT_FAILS(INF_E_ARG, "out: len 0, cap 0: was not zeroed",
               inf_tokenize(SharedTokenizer(), "x", 1, 0, &ids, &err));
  ids = {nullptr, 5, 3};
  EXPECT_FAILS(INF_E_ARG, "len 5, cap 3", inf_tokenize(SharedTokenizer(), "x", 1, 0, &ids, &err));
}

TEST(Buffers, AreUntouchedOnFailure) {
  Text text;
  ASSERT_OK(inf_detokenize(SharedTokenizer(), kPrompt.data(), 5, 0, &text, &err));
  const std::string before = Str(text);
  EXPECT_FAILS(INF_E_ARG, "id",
               inf_detokenize(SharedTokenizer(), Ids{-1}.data(), 1, 0, &text, &err));
  EXPECT_EQ(Str(text), before);
}

// ---- flags and ranges ----

TEST(Ranges, UnknownFlags) {
  Tokens ids;
  EXPECT_FAILS(INF_E_ARG, "flags: is 0x4",
               inf_tokenize(SharedTokenizer(), "x", 1, INF_SKIP_SPECIAL, &ids, &err));
  Text text;
  EXPECT_FAILS(INF_E_ARG, "flags: is 0x80000000",
               inf_detokenize(SharedTokenizer(), nullptr, 0, 0x80000000u, &text, &err));
  Detok detok;
  EXPECT_FAILS(INF_E_ARG, "flags", inf_detok_new(SharedTokenizer(), 1, detok.out(), &err));
  Chat chat;
  ASSERT_OK(inf_chat_new(SharedTokenizer(), chat.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "flags", inf_chat_render(chat.get(), 4, &text, nullptr, &err));
}

void ExpectRefused(const char* part, void (*change)(inf_sampling& sampling)) {
  const Request request = NewRequest();
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  change(sampling);
  EXPECT_FAILS(INF_E_ARG, part, inf_request_set_sampling(request.get(), &sampling, &err));
}

TEST(Ranges, Sampling) {
  ExpectRefused("temperature is nan, want 0..100", [](auto& s) { s.temperature = NAN; });
  ExpectRefused("temperature is -1", [](auto& s) { s.temperature = -1; });
  ExpectRefused("temperature is inf", [](auto& s) { s.temperature = INFINITY; });
  ExpectRefused("top_p is nan", [](auto& s) { s.top_p = NAN; });
  ExpectRefused("top_p is 2, want 0..1", [](auto& s) { s.top_p = 2; });
  ExpectRefused("min_p is -1", [](auto& s) { s.min_p = -1; });
  ExpectRefused("top_k is -1", [](auto& s) { s.top_k = -1; });
  ExpectRefused("repeat_penalty is -1", [](auto& s) { s.repeat_penalty = -1; });
  ExpectRefused("repeat_penalty is nan", [](auto& s) { s.repeat_penalty = NAN; });
  ExpectRefused("max_tokens is 0, want 1 or more", [](auto& s) { s.max_tokens = 0; });
  ExpectRefused("max_tokens is -1", [](auto& s) { s.max_tokens = -1; });
  ExpectRefused("flags", [](auto& s) { s.flags = 2; });
}

TEST(Ranges, WhatIsAllowedWorks) {
  const Session session = NewSession();
  const Request request = NewRequest();
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  EXPECT_EQ(sampling.struct_size, sizeof(sampling));
  sampling.max_tokens = INT32_MAX;
  sampling.top_k = 1000000000;
  sampling.temperature = 100;
  sampling.top_p = 1;
  sampling.repeat_penalty = 100;
  ASSERT_OK(inf_request_set_sampling(request.get(), &sampling, &err));
  auto result = Sized<inf_result>();
  ASSERT_OK(inf_generate(session.get(), request.get(), nullptr, nullptr, &result, &err));
  EXPECT_TRUE(result.finish == INF_FINISH_END || result.finish == INF_FINISH_CONTEXT_FULL);
  inf_sampling_init(nullptr);
}

TEST(Ranges, DevicesThatAreNotThere) {
  auto desc = Sized<inf_device_desc>();
  EXPECT_FAILS(INF_E_ARG, "device: is 1000000",
               inf_device_info(SharedRuntime(), 1000000, &desc, &err));
  auto memory = Sized<inf_memory_desc>();
  EXPECT_FAILS(INF_E_ARG, "device", inf_memory_info(SharedRuntime(), ~0u, &memory, &err));
  EXPECT_FAILS(INF_E_ARG, "device", inf_memory_trim(SharedRuntime(), ~0u, &err));
  EXPECT_FAILS(INF_E_ARG, "device", inf_memory_reset_peak(SharedRuntime(), ~0u, &err));
  EXPECT_FAILS(INF_E_ARG, "device", inf_memory_set_limit(SharedRuntime(), ~0u, 1, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "device",
               inf_memory_set_cache_limit(SharedRuntime(), ~0u, 1, nullptr, &err));
  double gb_s = 0;
  EXPECT_FAILS(INF_E_ARG, "device",
               inf_device_read_bandwidth(SharedRuntime(), ~0u, 1 << 20, &gb_s, &err));
  EXPECT_FAILS(INF_E_ARG, "bytes", inf_device_read_bandwidth(SharedRuntime(), 0, 0, &gb_s, &err));
}

}  // namespace
}  // namespace inference::capi_test
