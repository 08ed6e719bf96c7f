// Each part of tokenizer.json against the Python package: tests/data/tokenizer/make_parts.py.
#include <gtest/gtest.h>

#include "formats/json.h"
#include "support/temp_dir.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;

TEST(TokenizerParts, EqualHuggingFace) {
  const Json parts = ReadJsonFile(INFERENCE_TEST_DATA "/tokenizer/parts.json", 8 << 20);
  ASSERT_GT(parts.at("configs").size(), 50u);
  for (const Json& config : parts.at("configs")) {
    SCOPED_TRACE(config.at("name").get<std::string>());
    Json json = parts.at("base");
    for (const auto& [key, value] : config.at("change").items()) {
      if (key == "model" && !value.contains("type")) {  // else it is whole
        for (const auto& [field, content] : value.items()) json["model"][field] = content;
      } else {
        json[key] = value;
      }
    }
    TempDir folder;
    folder.Write("tokenizer.json", json.dump());
    const auto tokenizer = LoadTokenizerFolder(folder.path());
    for (const Json& c : config.at("cases")) {
      const std::string text = c.at("text");
      const Ids ids = c.at("ids");
      EXPECT_EQ(tokenizer->Encode(text, {.add_special = false}), ids) << Json(text);
      EXPECT_EQ(tokenizer->Encode(text, {}), c.at("ids_special").get<Ids>()) << Json(text);
      for (const bool skip : {false, true}) {
        const std::string decoded = c.at(skip ? "decoded_skip" : "decoded");
        EXPECT_EQ(tokenizer->Decode(ids, skip), decoded) << Json(text);
        StreamingDecoder stream(tokenizer, skip);
        std::string streamed;
        for (const int32_t id : ids) streamed += stream.Push(id);
        EXPECT_EQ(streamed + stream.Flush(), decoded) << Json(text);
      }
    }
  }
}

}  // namespace
}  // namespace inference
