// inf_session_save, _load and their file forms.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "capi/api.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

Session NewSession(const Ids& ids = {}) {
  Session session;
  EXPECT_OK(inf_session_new(SharedModel(), nullptr, session.out(), &err));
  if (!ids.empty()) {
    Floats logits;
    EXPECT_OK(inf_session_logits(session.get(), ids.data(), ids.size(), nullptr, &logits, &err));
  }
  return session;
}

std::vector<float> LogitsAfter(const Session& session, const Ids& ids) {
  Floats logits;
  EXPECT_OK(inf_session_logits(session.get(), ids.data(), ids.size(), nullptr, &logits, &err));
  return {logits.data, logits.data + logits.len};
}

Ids TokensOf(const Session& session) {
  Tokens tokens;
  EXPECT_OK(inf_session_tokens(session.get(), &tokens, &err));
  return List(tokens);
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SessionFile, MemoryAndFileHoldTheSame) {
  const TempDir folder;
  const std::string path = folder.path() + "/talk.session";
  const Session session = NewSession({480, 350, 367});
  Text bytes;
  ASSERT_OK(inf_session_save(session.get(), &bytes, &err));
  ASSERT_OK(inf_session_save_file(session.get(), path.data(), path.size(), &err));
  EXPECT_EQ(ReadAll(path), Str(bytes));

  const Session from_memory = NewSession({1, 2}), from_file = NewSession();
  ASSERT_OK(inf_session_load(from_memory.get(), bytes.data, bytes.len, &err));
  ASSERT_OK(inf_session_load_file(from_file.get(), path.data(), path.size(), &err));
  const Ids next = {370, 5};
  const std::vector<float> want = LogitsAfter(session, next);
  EXPECT_EQ(LogitsAfter(from_memory, next), want);
  EXPECT_EQ(LogitsAfter(from_file, next), want);
  EXPECT_EQ(TokensOf(from_file), (Ids{480, 350, 367, 370, 5}));
}

TEST(SessionFile, AFileIsReplacedWholeOrNotAtAll) {
  const TempDir folder;
  const std::string path = folder.path() + "/talk.session";
  for (const Ids& ids : {Ids{480, 350}, Ids{7}}) {
    const Session session = NewSession(ids);
    ASSERT_OK(inf_session_save_file(session.get(), path.data(), path.size(), &err));
    const Session loaded = NewSession();
    ASSERT_OK(inf_session_load_file(loaded.get(), path.data(), path.size(), &err));
    EXPECT_EQ(TokensOf(loaded), ids);
  }
  const Session session = NewSession({1});
  const std::string nowhere = folder.path() + "/none/talk.session";
  EXPECT_FAILS(INF_E_IO, nowhere,
               inf_session_save_file(session.get(), nowhere.data(), nowhere.size(), &err));
  EXPECT_FAILS(
      INF_E_IO, folder.path(),
      inf_session_save_file(session.get(), folder.path().data(), folder.path().size(), &err));
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(entry.path().filename(), "talk.session");
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(SessionFile, WhatIsRefusedLeavesTheSession) {
  const Session session = NewSession({1, 2, 3});
  Text bytes;
  ASSERT_OK(inf_session_save(session.get(), &bytes, &err));
  EXPECT_FAILS(INF_E_MISMATCH, "data: has",
               inf_session_load(session.get(), bytes.data, bytes.len - 1, &err));
  EXPECT_FAILS(INF_E_MISMATCH, "data: has 0 bytes",
               inf_session_load(session.get(), nullptr, 0, &err));
  EXPECT_FAILS(INF_E_ARG, "data: is NULL", inf_session_load(session.get(), nullptr, 5, &err));
  EXPECT_FAILS(INF_E_ARG, "path: is empty", inf_session_load_file(session.get(), "", 0, &err));
  EXPECT_FAILS(INF_E_ARG, "path: is empty", inf_session_save_file(session.get(), "", 0, &err));
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such/file",
               inf_session_load_file(session.get(), "/no/such/file", 13, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_session_save(session.get(), nullptr, &err));
  EXPECT_EQ(TokensOf(session), (Ids{1, 2, 3}));
}

// Adapters that differ in what they do are told apart; their file and order are not.
TEST(SessionFile, AdaptersAndScalesMustAgree) {
  const std::string path = kTinyFolder + "/adapter-peft";
  Adapter adapter;
  ASSERT_OK(inf_adapter_load(SharedModel(), path.data(), path.size(), nullptr, nullptr,
                             adapter.out(), &err));
  const auto with = [&](float scale) {
    Session session = NewSession();
    const inf_adapter* const one = adapter.get();
    EXPECT_OK(inf_session_set_adapters(session.get(), &one, &scale, 1, &err));
    return session;
  };
  const Session half = with(0.5f);
  LogitsAfter(half, {1, 2, 3});
  Text bytes;
  ASSERT_OK(inf_session_save(half.get(), &bytes, &err));
  EXPECT_FAILS(INF_E_MISMATCH, "adapters is",
               inf_session_load(with(1.0f).get(), bytes.data, bytes.len, &err));
  EXPECT_FAILS(INF_E_MISMATCH, "adapters is",
               inf_session_load(NewSession().get(), bytes.data, bytes.len, &err));
  const Session again = with(0.5f);
  ASSERT_OK(inf_session_load(again.get(), bytes.data, bytes.len, &err));
  EXPECT_EQ(LogitsAfter(again, {4}), LogitsAfter(half, {4}));
}

}  // namespace
}  // namespace inference::capi_test
