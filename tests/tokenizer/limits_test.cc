// What one encode or decode may take: memory and regex steps end with LIMIT, and a cancel from
// another thread is seen soon wherever the time goes.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "formats/json.h"
#include "support/expect_error.h"
#include "support/temp_dir.h"
#include "tokenizer/tokenizer.h"

namespace inference {
namespace {

using Clock = std::chrono::steady_clock;

Json Base() {
  return Json::parse(R"({"decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1}, "merges": []}})");
}

std::shared_ptr<const Tokenizer> Load(const Json& json) {
  TempDir folder;
  folder.Write("tokenizer.json", json.dump());
  return LoadTokenizerFolder(folder.path());
}

Json Sequence(const char* list, size_t count, const Json& step) {
  return {{"type", "Sequence"}, {list, Json(count, step)}};
}

std::string Repeat(std::string_view unit, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += unit;
  return out;
}

Json Split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
}

// ---- memory ----

constexpr std::string_view kTooMuch = "make more than 268435456 bytes";

TEST(TokenizerLimits, StepsThatDoubleTheText) {
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  Json json = Base();
  json["pre_tokenizer"] = Sequence("pretokenizers", 40, bytes);
  ExpectError(Status::kLimit, {kTooMuch}, [&] { Load(json)->Encode("é", {}); });
  json = Base();
  json["normalizer"] = Sequence("normalizers", 40, bytes);
  ExpectError(Status::kLimit, {kTooMuch}, [&] { Load(json)->Encode("é", {}); });
}

TEST(TokenizerLimits, PiecesThatGrowTogether) {
  Json json = Base();
  json["added_tokens"] = {{{"id", 2}, {"content", "b"}, {"normalized", false}}};
  json["normalizer"] = {{"type", "Prepend"}, {"prepend", std::string(1 << 20, ' ')}};
  json["model"] = {
      {"type", "WordLevel"}, {"unk_token", "<unk>"}, {"vocab", {{"<unk>", 0}, {"a", 1}}}};
  const auto tokenizer = Load(json);
  EXPECT_EQ(tokenizer->Encode("abab", {}), (std::vector<int32_t>{0, 2, 0, 2}));
  ExpectError(Status::kLimit, {kTooMuch}, [&] { tokenizer->Encode(Repeat("ab", 300), {}); });
}

TEST(TokenizerLimits, DecodersThatGrowTheText) {
  Json json = Base();
  const Json longer = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(1000, 'a')}};
  json["decoder"] = Sequence("decoders", 2, longer);
  const auto tokenizer = Load(json);
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{1}, false).size(), 1000000u);
  ExpectError(Status::kLimit, {kTooMuch},
              [&] { tokenizer->Decode(std::vector<int32_t>(300, 1), false); });
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string padded(bytes);
  while (padded.size() % 3 != 0) padded.push_back('\0');
  std::string out;
  for (size_t i = 0; i < padded.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | static_cast<unsigned char>(padded[i + k]);
    for (int shift = 18; shift >= 0; shift -= 6) out.push_back(kDigits[bits >> shift & 63]);
  }
  return out;
}

// A character map from 'a' to `content`.
Json CharsMapOf(const std::string& content) {
  std::vector<uint32_t> units(0xE2);
  units['a'] = 'a' | 0x100 | 0x80 << 10;  // its leaf, the replacement at 0, is unit 0xE1
  std::string bytes;
  const auto put = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> 8 * i));
  };
  put(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) put(unit);
  return {{"type", "Precompiled"}, {"precompiled_charsmap", Base64(bytes + content)}};
}

TEST(TokenizerLimits, CharacterMapsThatGrowTheText) {
  Json json = Base();
  json["normalizer"] = CharsMapOf("aa");
  EXPECT_EQ(Load(json)->Encode("a", {}), (std::vector<int32_t>{1, 1}));
  json["normalizer"] = Sequence("normalizers", 3, CharsMapOf(std::string(1000, 'a')));
  ExpectError(Status::kLimit, {kTooMuch}, [&] { Load(json)->Encode("a", {}); });
  json["normalizer"] = CharsMapOf(std::string(2000, 'a'));
  ExpectError(Status::kLimit,
              {"normalizer: precompiled_charsmap: a replacement has 2000 bytes, expected at most"},
              [&] { Load(json); });
}

TEST(TokenizerLimits, FieldsAtLoad) {
  const std::string longer(2000, 'a');
  const auto expect = [](std::initializer_list<std::string_view> parts, const Json& change) {
    Json json = Base();
    json.merge_patch(change);
    ExpectError(Status::kLimit, parts, [&] { Load(json); });
  };
  expect(
      {"String: has 2000 bytes, expected at most 1024"},
      {{"normalizer", {{"type", "Replace"}, {"pattern", {{"String", longer}}}, {"content", ""}}}});
  expect({"decoder: suffix: has 2000 bytes"},
         {{"decoder", {{"type", "BPEDecoder"}, {"suffix", longer}}}});
  expect({"model: continuing_subword_prefix: has 2000 bytes"},
         {{"model", {{"continuing_subword_prefix", longer}}}});
  expect({"model: end_of_word_suffix: has 2000 bytes"},
         {{"model", {{"end_of_word_suffix", longer}}}});
  expect({"token 2 has 2000 bytes, expected at most 1024"},
         {{"model", {{"type", "WordPiece"}, {"vocab", {{longer, 2}}}, {"unk_token", "a"}}}});
  expect({"normalizer: more than 256 steps"},
         {{"normalizer", Sequence("normalizers", 257, {{"type", "NFC"}})}});
  expect({"post_processor: single: puts more than 4096 ids on one side"},
         {{"post_processor",
           {{"type", "TemplateProcessing"},
            {"special_tokens", {{"a", {{"ids", Json(3000, 1)}}}}},
            {"single", Json(2, {{"SpecialToken", {{"id", "a"}}}})}}}});
}

// ---- time ----

// Each row of letters alone takes a few hundred thousand steps, far from what one match may take.
std::string SlowText() { return Repeat(std::string(24, 'a') + "!", 50000); }

TEST(TokenizerLimits, RegexStepsOfAllMatchesTogether) {
  Json json = Base();
  json["pre_tokenizer"] = Split("(?:a|aa)+$");
  const auto tokenizer = Load(json);
  EXPECT_EQ(tokenizer->Encode(std::string(24, 'a') + "!", {}).size(), 25u);
  ExpectError(Status::kLimit, {"pre_tokenizer: pattern takes more than 1000000000 steps in all"},
              [&] { tokenizer->Encode(SlowText(), {}); });
}

// An encode that takes long is cancelled after a moment.
void ExpectCancelled(const Json& change, const std::string& text) {
  Json json = Base();
  for (const auto& [key, value] : change.items()) json[key] = value;
  const auto tokenizer = Load(json);
  CancelFlag cancel;
  Clock::time_point triggered;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    triggered = Clock::now();
    cancel.Trigger();
  });
  ExpectError(Status::kCancelled, {"generate: encoding: cancelled"},
              [&] { tokenizer->Encode(text, {.cancel = &cancel}); });
  const Clock::time_point ended = Clock::now();
  other.join();
  EXPECT_LT(ended - triggered, std::chrono::seconds(1));
}

TEST(TokenizerCancel, InARegex) {
  ExpectCancelled({{"pre_tokenizer", Split("(?:a|aa)+$")}}, SlowText());
  ExpectCancelled({{"pre_tokenizer", Split("\\s+x")}}, std::string(8 << 20, ' '));
}

// Pieces that all but match at every place.
TEST(TokenizerCancel, InWordPieceAndUnigram) {
  const std::string almost = std::string(1000, 'a') + "b";
  const std::string text(4 << 20, 'a');
  ExpectCancelled({{"model",
                    {{"type", "WordPiece"},
                     {"unk_token", "a"},
                     {"continuing_subword_prefix", ""},
                     {"max_input_chars_per_word", 1 << 30},
                     {"vocab", {{"a", 0}, {almost, 1}}}}}},
                  text);
  ExpectCancelled(
      {{"model",
        {{"type", "Unigram"},
         {"unk_id", 0},
         {"vocab", Json::array({Json::array({"a", -1.0}), Json::array({almost, -2.0})})}}}},
      text);
}

TEST(TokenizerCancel, InNormalizersAndPreTokenizers) {
  const std::string text = Repeat("é1", 1 << 21);
  for (const char* type : {"NFKD", "Lowercase", "Nmt"}) {
    ExpectCancelled({{"normalizer", Sequence("normalizers", 256, {{"type", type}})}}, text);
  }
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  ExpectCancelled({{"pre_tokenizer", Sequence("pretokenizers", 256, digits)}}, text);
}

TEST(TokenizerCancel, InTheSearchForAddedTokens) {
  const std::string almost = std::string(1000, 'a') + "b";
  ExpectCancelled({{"added_tokens", {{{"id", 2}, {"content", almost}}}}},
                  std::string(32 << 20, 'a'));
}

}  // namespace
}  // namespace inference
