// Whole chat templates against the renderings of transformers' apply_chat_template.
#include <gtest/gtest.h>

#include <string>

#include "chat/chat_template.h"
#include "support/expect_error.h"
#include "util/file.h"

namespace inference {
namespace {

class GoldenChats : public testing::TestWithParam<const char*> {};

TEST_P(GoldenChats, RenderLikeTransformers) {
  const std::string path =
      std::string(INFERENCE_TEST_DATA) + "/chat/golden/" + GetParam() + ".json";
  const OrderedJson golden = ParseOrderedJson(ReadTextFile(path, 1 << 20), path);
  const ChatTemplate chat_template =
      ChatTemplate::Parse(golden["template"].get<std::string>(), "chat_template");
  ASSERT_FALSE(golden["chats"].empty());
  for (const OrderedJson& chat : golden["chats"]) {
    OrderedJson variables = chat;
    for (const char* key : {"rendered", "error"}) variables.erase(key);
    for (const char* token : {"bos_token", "eos_token"}) {
      if (golden[token].is_string()) variables[token] = golden[token];
    }
    if (chat["error"].is_string()) {
      ExpectError(Status::kTemplate, {"chat_template:", chat["error"].get<std::string>()},
                  [&] { chat_template.Render(variables); });
    } else {
      EXPECT_EQ(chat_template.Render(variables), chat["rendered"].get<std::string>())
          << chat.dump();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Templates, GoldenChats,
                         testing::Values("gemma3", "qwen3", "llama3", "llama3_1", "deepseek_v3",
                                         "smollm2", "tiny_gemma3", "tiny_llama", "tiny_qwen"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace inference
