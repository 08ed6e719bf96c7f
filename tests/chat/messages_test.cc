#include "chat/messages.h"

#include <gtest/gtest.h>

#include "chat/chat_template.h"
#include "support/expect_error.h"

namespace inference {
namespace {

void ExpectBadMessages(std::string_view json, std::string_view message) {
  ExpectError(Status::kArg, {message}, [&] { ParseMessages(json); });
}

TEST(ParseMessages, KeepsWhatTheyHold) {
  const OrderedJson messages = ParseMessages(
      R"([{"role":"user","content":"a"},{"role":"tool","content":[{"type":"text"}],"id":1}])");
  EXPECT_EQ(
      messages.dump(),
      R"([{"role":"user","content":"a"},{"role":"tool","content":[{"type":"text"}],"id":1}])");
  EXPECT_TRUE(ParseMessages("[]").empty());
}

TEST(ParseMessages, ErrorsNameIndexAndField) {
  ExpectBadMessages("{}", "messages: is object, wanted an array of objects");
  ExpectBadMessages(R"([{"role":"user"},"x"])", "messages[1]: is string, wanted an object");
  ExpectBadMessages(R"([{"content":"x"}])", "messages[0]: role: missing, wanted a string");
  ExpectBadMessages(R"([{"role":"user"},{"role":5}])",
                    "messages[1]: role: is number, wanted a string");
  ExpectBadMessages("[{", "messages: ");
}

std::string RenderBuiltin(const char* name, std::string_view messages, bool generate) {
  const ChatTemplate built_in = ChatTemplate::Parse(BuiltinTemplate(name).value(), name);
  return built_in.Render({{"messages", ParseMessages(messages)},
                          {"add_generation_prompt", generate},
                          {"bos_token", "<bos>"}});
}

TEST(BuiltinTemplates, Render) {
  const char* chat = R"([{"role":"system","content":"S"},{"role":"user","content":"U"},
                         {"role":"assistant","content":"A"}])";
  EXPECT_EQ(RenderBuiltin("gemma", chat, true),
            "<bos><start_of_turn>user\nS<end_of_turn>\n<start_of_turn>user\nU<end_of_turn>\n"
            "<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(
      RenderBuiltin("gemma-system", chat, true),
      "<bos><start_of_turn>user\n[System: S]<end_of_turn>\n<start_of_turn>user\nU<end_of_turn>\n"
      "<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(RenderBuiltin("chatml", chat, true),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
            "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(RenderBuiltin("llama3", chat, false),
            "<bos><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>");
  EXPECT_EQ(RenderBuiltin("plain", chat, true), "S\nU\nA");
  EXPECT_FALSE(BuiltinTemplate("nope").has_value());
  EXPECT_EQ(BuiltinNames(), "gemma, gemma-system, chatml, llama3, plain");
}

TEST(BuiltinTemplates, OtherRoles) {
  const char* chat = R"([{"role":"tool","content":"T"},{"role":"model","content":"M"}])";
  EXPECT_EQ(RenderBuiltin("gemma", chat, false),
            "<bos><start_of_turn>user\nT<end_of_turn>\n<start_of_turn>model\nM<end_of_turn>\n");
  EXPECT_EQ(RenderBuiltin("gemma-system", chat, false),
            "<bos><start_of_turn>model\nM<end_of_turn>\n");
  EXPECT_EQ(RenderBuiltin("chatml", chat, false),
            "<|im_start|>tool\nT<|im_end|>\n<|im_start|>model\nM<|im_end|>\n");
}

TEST(BuiltinTemplates, ContentOfEveryKind) {
  for (const char* style : {"gemma", "gemma-system", "chatml", "llama3", "plain"}) {
    const std::string as_text =
        RenderBuiltin(style, R"([{"role":"user","content":" a\n b "}])", true);
    EXPECT_NE(as_text.find(" a\n b "), std::string::npos);
    EXPECT_EQ(RenderBuiltin(style, R"([{"role":"user","content":[{"type":"text","text":" a\n"},
                                       {"type":"text","text":" b "}]}])",
                            true),
              as_text);
    EXPECT_EQ(RenderBuiltin(style, R"([{"role":"user"}])", true),
              RenderBuiltin(style, R"([{"role":"user","content":""}])", true));
    ExpectError(Status::kTemplate, {"a content part of type image is not supported"}, [&] {
      RenderBuiltin(style, R"([{"role":"user","content":[{"type":"image"}]}])", true);
    });
    ExpectError(Status::kTemplate, {"content is neither text nor a list of parts"},
                [&] { RenderBuiltin(style, R"([{"role":"user","content":{"a":1}}])", true); });
  }
}

}  // namespace
}  // namespace inference
