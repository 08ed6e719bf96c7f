#include "engine/session_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "engine/tiny_models.h"
#include "support/expect_error.h"
#include "util/blake2b.h"

namespace inference {
namespace {

using Bytes = std::vector<std::byte>;

Ids LongIds(const std::string& model) { return TinyGolden(model)["long_ids"].get<Ids>(); }
Ids Part(const Ids& ids, size_t from, size_t to) {
  return {ids.begin() + static_cast<ptrdiff_t>(from), ids.begin() + static_cast<ptrdiff_t>(to)};
}

Bytes Save(const Session& session) {
  const SavedSession saved(session);
  Bytes out;
  saved.WriteTo(
      [&](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  EXPECT_EQ(out.size(), saved.bytes());
  return out;
}

void Load(Session& session, const Bytes& bytes) {
  LoadSession(session, {.name = "saved", .bytes = bytes.size(), .read = [&](uint64_t at, auto out) {
                          ASSERT_LE(at + out.size(), bytes.size());
                          std::memcpy(out.data(), &bytes[at], out.size());
                        }});
}

// The digest is right again: what is wrong must be found without it.
void Seal(Bytes& bytes) {
  Blake2b hash(32);
  hash.Add(std::span(bytes).first(bytes.size() - 64));
  const std::string digest = hash.Finish();
  std::memcpy(&bytes[bytes.size() - 64], digest.data(), 64);
}

uint32_t HeaderBytes(const Bytes& bytes) {
  uint32_t size = 0;
  std::memcpy(&size, &bytes[12], sizeof(size));
  return size;
}

Json HeaderOfBytes(const Bytes& bytes) {
  return Json::parse(std::string(reinterpret_cast<const char*>(&bytes[16]), HeaderBytes(bytes)));
}

// With another header; its digest is right.
Bytes WithHeader(const Bytes& bytes, const std::string& text) {
  Bytes out(bytes.begin(), bytes.begin() + 12);
  const auto size = static_cast<uint32_t>(text.size());
  for (const auto part : {std::as_bytes(std::span(&size, 1)), std::as_bytes(std::span(text))}) {
    out.insert(out.end(), part.begin(), part.end());
  }
  out.insert(out.end(), bytes.begin() + 16 + HeaderBytes(bytes), bytes.end());
  Seal(out);
  return out;
}

class SessionFileTest : public testing::TestWithParam<TinyCase> {};

// At lengths around block ends, and past where windows have forgotten.
TEST_P(SessionFileTest, GoesOnWithTheSameBits) {
  const std::shared_ptr<Model> model = GetParam().Load(8);
  const Ids ids = LongIds(GetParam().name);
  for (const size_t length : {1, 5, 63, 64, 65, 127, 130, 150}) {
    Session session(model, 0);
    LogitsOf(session, Part(ids, 0, length));
    Session loaded(model, 0);
    loaded.Prefill(Ids{7, 8, 9});  // goes
    Load(loaded, Save(session));
    EXPECT_EQ(loaded.tokens(), session.tokens());
    EXPECT_EQ(loaded.kv_bytes(), session.kv_bytes());
    const Ids rest = {5, 6, 7, 5, 1};
    EXPECT_EQ(LogitsOf(loaded, rest), LogitsOf(session, rest)) << length;
  }
}

TEST_P(SessionFileTest, AfterACutToo) {
  const std::shared_ptr<Model> model = GetParam().Load(8);
  const Ids ids = LongIds(GetParam().name);
  Session session(model, 0);
  LogitsOf(session, ids);
  session.Truncate(145);
  Session loaded(model, 0);
  Load(loaded, Save(session));
  EXPECT_EQ(LogitsOf(loaded, Part(ids, 145, 150)), LogitsOf(session, Part(ids, 145, 150)));
}

// What lies past the end is of no token, and depends on what was there before.
TEST_P(SessionFileTest, TheSameSessionGivesTheSameBytes) {
  const std::shared_ptr<Model> model = GetParam().Load(8);
  const Ids ids = LongIds(GetParam().name);
  Session plain(model, 0), cut(model, 0), empty(model, 0);
  plain.Prefill(Part(ids, 0, 5));
  LogitsOf(cut, Part(ids, 0, 20));
  cut.Truncate(5);
  EXPECT_EQ(Save(plain), Save(cut));
  Load(cut, Save(empty));
  EXPECT_EQ(cut.length(), 0);
  EXPECT_EQ(cut.kv_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, SessionFileTest,
                         testing::Values(TinyCase{"llama-gqa"}, TinyCase{"gemma3-text"},
                                         TinyCase{"gemma2"}, TinyCase{"llama-gqa", DType::kF16},
                                         TinyCase{"gemma3-text", DType::kF16},
                                         TinyCase{"llama-gqa", DType::kQ8_0},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

class SessionFileErrorTest : public testing::Test {
 protected:
  SessionFileErrorTest() : model_(TinyModel("gemma3-text", 8)), session_(model_, 0) {
    Session session(model_, 0);
    LogitsOf(session, Part(LongIds("gemma3-text"), 0, 70));
    saved_ = Save(session);
    session_.Prefill(Ids{1, 2, 3});
  }

  // Refused, with the session as it was and no page lost.
  void ExpectMismatch(const Bytes& bytes, std::initializer_list<std::string_view> parts) {
    const uint64_t used = model_->executor().cache()->used_bytes();
    ExpectError(Status::kMismatch, parts, [&] { Load(session_, bytes); });
    EXPECT_EQ(session_.tokens(), (Ids{1, 2, 3}));
    EXPECT_EQ(model_->executor().cache()->used_bytes(), used);
  }
  void ExpectHeaderMismatch(const std::string& key, const Json& value,
                            std::initializer_list<std::string_view> parts) {
    Json header = HeaderOfBytes(saved_);
    header[key] = value;
    ExpectMismatch(WithHeader(saved_, header.dump()), parts);
  }

  std::shared_ptr<Model> model_;
  Session session_;
  Bytes saved_;
};

TEST_F(SessionFileErrorTest, AfterwardsAllIsAsBefore) {
  Session fresh(model_, 0);
  fresh.Prefill(Ids{1, 2, 3});
  ExpectMismatch(Bytes(saved_.begin(), saved_.end() - 1), {"saved: has", "bytes, want"});
  EXPECT_EQ(LogitsOf(session_, Ids{4, 5}), LogitsOf(fresh, Ids{4, 5}));
  Load(session_, saved_);
  EXPECT_EQ(session_.length(), 70);
}

TEST_F(SessionFileErrorTest, EveryDamagedByteIsFound) {
  for (size_t at = 0; at < saved_.size(); at = at < 600 ? at + 1 : at + 4099) {
    Bytes damaged = saved_;
    damaged[at] ^= std::byte{0x10};
    ExpectMismatch(damaged, {"saved: "});
  }
  Bytes damaged = saved_;
  damaged[saved_.size() - 1] ^= std::byte{1};
  ExpectMismatch(damaged, {"is damaged: its checksum is"});
}

TEST_F(SessionFileErrorTest, EveryLengthIsChecked) {
  for (const size_t size : {0, 1, 8, 15, 16, 79, 80, 81, 200, 400, 1000}) {
    ExpectMismatch(Bytes(saved_.begin(), saved_.begin() + static_cast<ptrdiff_t>(size)),
                   {"saved: "});
  }
  Bytes longer = saved_;
  longer.push_back(std::byte{0});
  ExpectMismatch(longer, {"by its header"});
}

TEST_F(SessionFileErrorTest, EveryFieldOfTheHeaderCounts) {
  for (const char* key :
       {"model", "tokenizer", "adapters", "kv_type", "activations", "context_length", "pages"}) {
    ExpectHeaderMismatch(key, "other", {"saved: ", key, " is 'other', want"});
    ExpectHeaderMismatch(key, 1, {key});
    ExpectHeaderMismatch(key, nullptr, {key});
  }
  ExpectHeaderMismatch("tokens", 71, {"bytes, want"});
  ExpectHeaderMismatch("tokens", -1, {"tokens"});
  ExpectHeaderMismatch("tokens", int64_t{1} << 40, {"tokens"});
  ExpectHeaderMismatch("tokens", 513, {"holds 513 tokens, the session's capacity is 512"});
  ExpectHeaderMismatch("tokens", "70", {"tokens"});
  ExpectHeaderMismatch("first_blocks", {0}, {"first_blocks: want an array of 2"});
  ExpectHeaderMismatch("first_blocks", {0, 0, 0}, {"first_blocks"});
  ExpectHeaderMismatch("first_blocks", {0, -1}, {"first_blocks: of group 1 is -1, want 0.."});
  ExpectHeaderMismatch("first_blocks", {0, 2}, {"first_blocks: of group"});
  ExpectHeaderMismatch("first_blocks", {0, UINT64_MAX}, {"first_blocks: of group"});
  ExpectHeaderMismatch("first_blocks", {0, 0.5}, {"first_blocks: of group"});
  ExpectHeaderMismatch("first_blocks", "x", {"first_blocks"});
  ExpectMismatch(WithHeader(saved_, "[]"), {"saved"});
  ExpectMismatch(WithHeader(saved_, "{"), {"saved"});
  ExpectMismatch(WithHeader(saved_, ""), {"saved"});
}

// A digest that is right vouches for nothing.
TEST_F(SessionFileErrorTest, AnyHeaderIsReadWithCare) {
  size_t refused = 0;
  for (size_t at = 16; at < 16 + HeaderBytes(saved_); ++at) {
    for (const unsigned flip : {1u, 4u, 0x80u}) {
      Bytes bytes = saved_;
      bytes[at] ^= static_cast<std::byte>(flip);
      Seal(bytes);
      try {
        Load(session_, bytes);
        EXPECT_EQ(session_.length(), 70) << at;
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), Status::kMismatch) << at << ": " << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 3 * HeaderBytes(saved_) - 10);
  Load(session_, saved_);
  EXPECT_EQ(session_.length(), 70);
}

TEST_F(SessionFileErrorTest, ContentIsChecked) {
  const size_t ids = 16 + HeaderBytes(saved_), pages = ids + 70 * sizeof(int32_t);
  for (const int32_t id : {-1, 704}) {
    Bytes bytes = saved_;
    std::memcpy(&bytes[ids + 4], &id, sizeof(id));
    Seal(bytes);
    ExpectMismatch(bytes, {"saved: token 1: id is", "the vocabulary is 0..703"});
  }
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Bytes bytes = saved_;
    std::memcpy(&bytes[pages + 400], &value, sizeof(value));
    Seal(bytes);
    ExpectMismatch(bytes, {"from position 0 on are not finite numbers"});
  }
  Bytes version = saved_;
  version[8] = std::byte{2};
  Seal(version);
  ExpectMismatch(version, {"version is 2, want 1"});
}

TEST_F(SessionFileErrorTest, OfAnotherModelOrOptionOrCapacity) {
  Session other(TinyModel("llama-gqa", 8), 0);
  ExpectError(Status::kMismatch, {"saved: model is"}, [&] { Load(other, saved_); });
  Session rounded(TinyModel("gemma3-text", 8, DType::kF16), 0);
  ExpectError(Status::kMismatch, {"saved: kv_type is 'f32', want 'f16'"},
              [&] { Load(rounded, saved_); });
  Session small(model_, 69);
  ExpectError(Status::kMismatch, {"holds 70 tokens", "capacity is 69"},
              [&] { Load(small, saved_); });
  Session enough(model_, 70);
  Load(enough, saved_);
  EXPECT_EQ(enough.length(), 70);
  const auto with = [&](LoadOptions options) {
    options.prefill_chunk = 8;
    return Model::Load(TestRuntime(), TinyPath("gemma3-text"), options, {});
  };
  Session int8(with({.round_activations = true}), 0);
  ExpectError(Status::kMismatch, {"activations is 'f32', want 'int8'"},
              [&] { Load(int8, saved_); });
  Session shorter(with({.context_length = 256}), 0);
  ExpectError(Status::kMismatch, {"context_length is '512', want '256'"},
              [&] { Load(shorter, saved_); });
  // Loaded another time, with what does not matter.
  Session again(with({.parallel_slots = 2}), 0);
  Load(again, saved_);
  Session same(model_, 0);
  Load(same, saved_);
  EXPECT_EQ(LogitsOf(again, Ids{4, 5}), LogitsOf(same, Ids{4, 5}));
}

TEST_F(SessionFileErrorTest, WhatCannotBeReadChangesNothing) {
  size_t reads = 0;
  ExpectError(Status::kIo, {"torn"}, [&] {
    LoadSession(session_, {.name = "saved",
                           .bytes = saved_.size(),
                           .read = [&](uint64_t at, std::span<std::byte> out) {
                             if (++reads == 7) Fail(Status::kIo, "torn");
                             std::memcpy(out.data(), &saved_[at], out.size());
                           }});
  });
  EXPECT_EQ(reads, 7u);
  EXPECT_EQ(session_.tokens(), (Ids{1, 2, 3}));
}

TEST(SessionFile, AFullCacheChangesNothing) {
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"),
                                 {.prefill_chunk = 8, .prefix_cache = 0}, {});
  Bytes saved;
  {
    Session session(model, 0);
    LogitsOf(session, Part(LongIds("llama-gqa"), 0, 130));
    saved = Save(session);
  }
  const uint64_t page = model->executor().cache()->page_bytes(0);
  const auto tight = Model::Load(TestRuntime(), TinyPath("llama-gqa"),
                                 {.prefill_chunk = 8, .kv_limit = 3 * page, .prefix_cache = 0}, {});
  Session session(tight, 0);
  session.Prefill(Ids{1, 2, 3});
  ExpectError(Status::kOomDevice, {"kv_limit"}, [&] { Load(session, saved); });
  EXPECT_EQ(session.tokens(), (Ids{1, 2, 3}));
  session.Reset();
  Load(session, saved);
  EXPECT_EQ(session.length(), 130);
}

TEST(SessionFile, KeysThatAreNoNumbersAreNotSaved) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 8);
  Session session(model, 0);
  session.Prefill(Ids{1, 2, 3});
  KvCache& cache = *model->executor().cache();
  const Bytes nan(cache.page_bytes(0), std::byte{0xFF});
  model->device()->Run([&] { cache.WritePage(0, session.sequence().page(0, 0), nan); });
  ExpectError(Status::kNumeric, {"positions 0..2 are not finite"}, [&] { Save(session); });
}

// Pages are used again as they are: what an adapter that overflows has left must reach nobody.
TEST(SessionFile, PagesThatHeldNaNsDoNotMatter) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    const auto model = Model::Load(TestRuntime(), TinyPath("gemma3-text"),
                                   {.prefill_chunk = 8, .kv_type = type, .prefix_cache = 0}, {});
    const Ids ids = Part(LongIds("gemma3-text"), 0, 90);
    std::vector<float> want;
    {
      Session clean(model, 0);
      want = LogitsOf(clean, ids);
      KvCache& cache = *model->executor().cache();
      for (size_t g = 0; g < cache.groups(); ++g) {
        const Bytes nan(cache.page_bytes(g), std::byte{0xFF});
        model->device()->Run([&] {
          for (int32_t page = 0; page < 2; ++page) cache.WritePage(g, page, nan);
        });
      }
    }
    Session session(model, 0);
    EXPECT_EQ(LogitsOf(session, ids), want);
  }
}

// A beginning that came from a file is not what another request is given.
TEST(SessionFile, TheCacheOfPrefixesTakesNothingFromFiles) {
  const Ids ids = LongIds("llama-gqa");
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"),
                                 {.prefill_chunk = 64, .prefix_cache = 1 << 30}, {});
  Bytes saved;
  {
    Session session(model, 0);
    session.Prefill(Part(ids, 0, 60));
    saved = Save(session);
  }
  Session loaded(model, 0);
  Load(loaded, saved);
  loaded.Prefill(Part(ids, 60, 70));
  Session other(model, 0);
  EXPECT_EQ(other.TakeCached(ids), 0);
  loaded.Reset();
  loaded.Prefill(Part(ids, 0, 64));
  EXPECT_EQ(other.TakeCached(ids), 64);
}

}  // namespace
}  // namespace inference
