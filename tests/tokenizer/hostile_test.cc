// Inputs that are long, random or broken: bounded time, no crash, defined results.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "formats/gguf.h"
#include "formats/json.h"
#include "support/expect_error.h"
#include "support/temp_dir.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"
#include "util/file.h"
#include "util/utf8.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";

std::shared_ptr<const Tokenizer> LoadTiny(const std::string& name) {
  return LoadTokenizerFolder(kTiny + name + "/model");
}

// The tiny ones, and those of published models that the environment names (golden_test.cc).
std::vector<std::shared_ptr<const Tokenizer>> LoadAll() {
  std::vector<std::shared_ptr<const Tokenizer>> out = {LoadTiny("llama-gqa"),
                                                       LoadTiny("gemma3-text")};
  if (const char* folder = std::getenv("INFERENCE_TOKENIZERS")) {
    for (const char* name : {"gemma3", "qwen3"}) {
      out.push_back(LoadTokenizerFolder(std::string(folder) + "/" + name));
    }
  }
  if (const char* path = std::getenv("INFERENCE_SMOLLM2")) {
    out.push_back(LoadTokenizerGguf(OpenGguf(path).metadata));
  }
  return out;
}

std::string Repeat(std::string_view unit) {
  std::string out;
  while (out.size() < (1 << 20)) out += unit;
  return out;
}

TEST(Hostile, OneMebibyteOfOneThing) {
  // Optimized builds need under 0.5 s each; anything quadratic would need hours.
  for (const auto& tokenizer : LoadAll()) {
    for (const std::string_view unit : {"a", " ", "😀", "👩‍👩‍👧", "\n", "\n ", "'",
                                        "\u0301\u0323", "\xFF", "\xE2\x82", "<", "日"}) {
      const std::string text = Repeat(unit);
      const std::vector<int32_t> ids = tokenizer->Encode(text, {.add_special = false});
      const std::string decoded = tokenizer->Decode(ids, false);
      if (unit == "a" || unit == " " || unit == "😀" || unit == "\n") {
        EXPECT_EQ(decoded, text);
      }
      if (unit == "\xE2\x82") {  // one U+FFFD for each broken code point
        EXPECT_EQ(decoded.size(), text.size() / 2 * 3);
      }
    }
  }
}

TEST(Hostile, RandomBytesAndRandomIds) {
  std::mt19937 random(7);
  for (const auto& tokenizer : LoadAll()) {
    for (int round = 0; round < 200; ++round) {
      std::string text(random() % 200, '\0');
      for (char& c : text)
        c = static_cast<char>(random() % 3 == 0 ? random() % 256 : ' ' + random() % 90);
      for (const bool parse : {false, true}) {
        try {
          const auto ids = tokenizer->Encode(text, {.add_special = false, .parse_special = parse});
          for (const int32_t id : ids) {
            ASSERT_GE(id, 0);
            ASSERT_LT(id, tokenizer->vocab_size());
          }
        } catch (const Error& error) {  // SmolLM2 has no token for some control bytes
          ASSERT_NE(std::string_view(error.what()).find("byte 0x"), std::string_view::npos);
        }
      }
      std::vector<int32_t> ids(random() % 30);
      for (int32_t& id : ids)
        id = static_cast<int32_t>(random() % static_cast<uint32_t>(tokenizer->vocab_size()));
      StreamingDecoder stream(tokenizer, false);
      std::string streamed;
      for (const int32_t id : ids) {
        const std::string piece = stream.Push(id);
        ASSERT_TRUE(IsValidUtf8(piece));
        streamed += piece;
      }
      streamed += stream.Flush();
      ASSERT_EQ(streamed, tokenizer->Decode(ids, false));
    }
  }
}

TEST(Hostile, TextCannotMakeSpecialTokensUnlessTheyAreParsed) {
  for (const auto& tokenizer : LoadAll()) {
    for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
      if (!tokenizer->IsSpecial(id)) continue;
      const std::string text(tokenizer->TokenText(id));
      const auto ids = tokenizer->Encode(text, {.add_special = false, .parse_special = false});
      for (const int32_t part : ids) EXPECT_NE(part, id) << text;
    }
  }
}

TEST(Hostile, IdsOutOfRangeAreArgumentErrors) {
  const auto tokenizer = LoadTiny("gemma3-text");
  const int32_t size = tokenizer->vocab_size();
  for (const int32_t id : {-1, size, INT32_MAX, INT32_MIN}) {
    const auto expect = [&](const std::function<void()>& body) {
      ExpectError(Status::kArg, {std::to_string(id), "0.." + std::to_string(size - 1)}, body);
    };
    expect([&] { tokenizer->Decode(std::vector<int32_t>{1, id}, true); });
    expect([&] { tokenizer->TokenText(id); });
    expect([&] { tokenizer->TokenBytes(id); });
    expect([&] { tokenizer->IsSpecial(id); });
    expect([&] { StreamingDecoder(tokenizer).Push(id); });
  }
}

TEST(Hostile, EncodingStopsWhenItIsCancelled) {
  CancelFlag cancel;
  for (const auto& tokenizer : LoadAll()) {
    const std::string text = Repeat("some words ") + Repeat("a");
    cancel.Trigger();
    ExpectError(Status::kCancelled, {"generate: encoding: cancelled"},
                [&] { tokenizer->Encode(text, {.cancel = &cancel}); });
    cancel.Reset();
    EXPECT_EQ(tokenizer->Encode(text, {.cancel = &cancel}), tokenizer->Encode(text, {}));
  }
}

TEST(Hostile, TextsPastTheLimit) {
  const auto tokenizer = LoadTiny("llama-gqa");
  const std::string text(Tokenizer::kMaxTextBytes + 1, 'a');
  ExpectError(Status::kLimit, {"67108865 bytes"}, [&] { tokenizer->Encode(text, {}); });
}

TEST(Hostile, ReplacementsThatExplode) {
  const auto tokenizer = [] {
    Json json = ReadJsonFile(kTiny + "gemma3-text/model/tokenizer.json", 1 << 20);
    Json longer = {
        {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(1000, 'a')}};
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json(4, longer)}};
    TempDir folder;
    folder.Write("tokenizer.json", json.dump());
    return LoadTokenizerFolder(folder.path());
  };
  ExpectError(Status::kLimit,
              {"normalizers, pre-tokenizers or decoders make more than 268435456 bytes"},
              [&] { tokenizer()->Encode("a", {}); });
}

// Every result of a damaged file is an Error or a tokenizer that works.
TEST(Hostile, DamagedTokenizerFiles) {
  std::mt19937 random(11);
  for (const char* name : {"llama-gqa", "gemma3-text"}) {
    const std::string text = ReadTextFile(kTiny + name + "/model/tokenizer.json", 1 << 20);
    TempDir folder;
    for (int round = 0; round < 150; ++round) {
      std::string bad = text;
      // Near the start lie the small parts, which matter more than the vocabulary.
      const auto place = [&] { return random() % (random() % 2 == 0 ? 3000 : bad.size()); };
      switch (random() % 4) {
        case 0:
          bad.resize(place());
          break;
        case 1:
          bad[place()] = static_cast<char>(random() % 256);
          break;
        case 2:
          bad.erase(place(), 1 + random() % 40);
          break;
        default:
          bad.insert(place(), bad.substr(place(), random() % 60));
      }
      folder.Write("tokenizer.json", bad);
      try {
        const auto tokenizer = LoadTokenizerFolder(folder.path());
        tokenizer->Decode(tokenizer->Encode("Hello <bos> wörld 123\n", {}), false);
      } catch (const Error& error) {
        EXPECT_NE(std::string_view(error.what()).find("token"), std::string_view::npos);
        EXPECT_NE(error.status(), Status::kInternal) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace inference
