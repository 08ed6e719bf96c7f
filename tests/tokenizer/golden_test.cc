// Token ids and text against Hugging Face: tests/data/golden.
//
// The tiny tokenizers lie in the repository. INFERENCE_TOKENIZERS names a folder with
// gemma3/tokenizer.json, qwen3/..., INFERENCE_SMOLLM2 and INFERENCE_GEMMA3 a GGUF file each; where
// one is not set its tests are skipped and say so.
#include <gtest/gtest.h>

#include <cstdlib>

#include "formats/gguf.h"
#include "formats/json.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"
#include "util/utf8.h"

namespace inference {
namespace {

const std::string kGolden = INFERENCE_TEST_DATA "/golden/";
constexpr uint64_t kMaxGoldenBytes = 8 << 20;

using Ids = std::vector<int32_t>;

std::string Stream(const std::shared_ptr<const Tokenizer>& tokenizer, const Ids& ids, bool skip) {
  StreamingDecoder decoder(tokenizer, skip);
  std::string text;
  for (const int32_t id : ids) {
    const std::string piece = decoder.Push(id);
    EXPECT_TRUE(IsValidUtf8(piece));
    text += piece;
  }
  return text + decoder.Flush();
}

// Both directions, streaming included.
void ExpectCase(const std::shared_ptr<const Tokenizer>& tokenizer, const Json& c) {
  const std::string text = c.at("text");
  const Ids ids = c.at("ids");
  EXPECT_EQ(tokenizer->Encode(text, {.add_special = false}), ids) << Json(text);
  EXPECT_EQ(tokenizer->Encode(text, {}), c.at("ids_special").get<Ids>()) << Json(text);
  EXPECT_EQ(tokenizer->Decode(ids, false), c.at("decoded").get<std::string>()) << Json(text);
  EXPECT_EQ(tokenizer->Decode(ids, true), c.at("decoded_skip").get<std::string>()) << Json(text);
  EXPECT_EQ(Stream(tokenizer, ids, false), c.at("decoded").get<std::string>()) << Json(text);
  EXPECT_EQ(Stream(tokenizer, ids, true), c.at("decoded_skip").get<std::string>()) << Json(text);
}

std::shared_ptr<const Tokenizer> LoadGguf(const char* path) {
  return LoadTokenizerGguf(OpenGguf(path).metadata);
}

class PublishedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(PublishedTokenizer, EncodesAndDecodesEveryText) {
  const char* folder = std::getenv("INFERENCE_TOKENIZERS");
  if (folder == nullptr) {
    GTEST_SKIP() << "left out: INFERENCE_TOKENIZERS names no folder with " << GetParam()
                 << "/tokenizer.json";
  }
  const auto tokenizer = LoadTokenizerFolder(std::string(folder) + "/" + GetParam());
  const Json golden = ReadJsonFile(kGolden + "tokenizers/" + GetParam() + ".json", kMaxGoldenBytes);
  ASSERT_EQ(golden.at("cases").size(), 317u);
  for (const Json& c : golden.at("cases")) ExpectCase(tokenizer, c);
  const Json& bos = golden.at("bos_token");
  EXPECT_EQ(tokenizer->bos_text(), bos.is_null() ? "" : bos.get<std::string>());
  EXPECT_EQ(tokenizer->eos_text(), golden.at("eos_token").get<std::string>());
  EXPECT_TRUE(tokenizer->IsEnd(tokenizer->eos().value()));
}

INSTANTIATE_TEST_SUITE_P(All, PublishedTokenizer,
                         testing::Values("gemma3", "qwen3", "llama3", "llama3_1", "deepseek_v3"),
                         [](const auto& param) { return std::string(param.param); });

class TinyTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(TinyTokenizer, EncodesPromptsAndChats) {
  const std::string folder = kGolden + "tiny/" + GetParam();
  const auto tokenizer = LoadTokenizerFolder(folder + "/model");
  const Json golden = ReadJsonFile(folder + "/golden.json", kMaxGoldenBytes);
  ASSERT_FALSE(golden.at("prompts").empty());
  for (const Json& prompt : golden.at("prompts")) {
    const Ids ids = prompt.at("ids");
    EXPECT_EQ(tokenizer->Encode(prompt.at("text").get<std::string>(), {}), ids) << prompt;
    EXPECT_EQ(tokenizer->Decode(ids, true), prompt.at("decoded").get<std::string>());
    EXPECT_EQ(Stream(tokenizer, ids, true), prompt.at("decoded").get<std::string>());
  }
  ASSERT_FALSE(golden.at("chats").empty());
  for (const Json& chat : golden.at("chats")) {
    EXPECT_EQ(tokenizer->Encode(chat.at("text").get<std::string>(), {.add_special = false}),
              chat.at("ids").get<Ids>())
        << chat;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TinyTokenizer, testing::Values("llama-gqa", "gemma3-text"),
                         [](const auto& param) {
                           std::string name = param.param;
                           name[name.find('-')] = '_';
                           return name;
                         });

// Prompts, a long text and chats of a real model, with the tokenizer in its GGUF file.
void ExpectRealModel(const std::shared_ptr<const Tokenizer>& tokenizer, const std::string& name) {
  const Json golden = ReadJsonFile(kGolden + "real/" + name, kMaxGoldenBytes);
  for (const Json& c : golden.at("greedy")) {
    EXPECT_EQ(tokenizer->Encode(c.at("prompt").get<std::string>(), {}), c.at("ids").get<Ids>());
    EXPECT_EQ(tokenizer->Decode(c.at("out").get<Ids>(), false), c.at("text").get<std::string>());
    EXPECT_EQ(Stream(tokenizer, c.at("out").get<Ids>(), false), c.at("text").get<std::string>());
  }
  const Json& rolling = golden.at("rolling");
  EXPECT_EQ(tokenizer->Encode(rolling.at("text").get<std::string>(), {}),
            rolling.at("ids").get<Ids>());
  for (const Json& c : golden.at("chats")) {
    EXPECT_EQ(tokenizer->Encode(c.at("rendered").get<std::string>(), {.add_special = false}),
              c.at("ids").get<Ids>());
    EXPECT_EQ(tokenizer->Decode(c.at("out").get<Ids>(), false), c.at("text").get<std::string>());
  }
}

TEST(GgufGolden, SmolLm2) {
  const char* path = std::getenv("INFERENCE_SMOLLM2");
  if (path == nullptr) GTEST_SKIP() << "left out: INFERENCE_SMOLLM2 names no GGUF file";
  const auto tokenizer = LoadGguf(path);
  ExpectRealModel(tokenizer, "smollm2-135m-q4_1.json");
  EXPECT_EQ(tokenizer->eos_text(), "<|im_end|>");
  EXPECT_EQ(tokenizer->end_ids(), (Ids{0, 2}));
}

TEST(GgufGolden, Gemma3) {
  const char* path = std::getenv("INFERENCE_GEMMA3");
  if (path == nullptr) GTEST_SKIP() << "left out: INFERENCE_GEMMA3 names no GGUF file";
  const auto tokenizer = LoadGguf(path);
  ExpectRealModel(tokenizer, "gemma3-270m-q4_k_m.json");
  EXPECT_EQ(tokenizer->end_ids(), (Ids{1, 106}));
  // The vocabulary of gemma3/tokenizer.json, so the scores must give what its merges give.
  const Json golden = ReadJsonFile(kGolden + "tokenizers/gemma3.json", kMaxGoldenBytes);
  for (const Json& c : golden.at("cases")) {
    const std::string text = c.at("text");
    EXPECT_EQ(tokenizer->Encode(text, {.add_special = false}), c.at("ids").get<Ids>())
        << Json(text);
  }
}

}  // namespace
}  // namespace inference
