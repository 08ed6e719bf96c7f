#include "chat/chat_files.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/expect_error.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

std::string RenderFolder(const TempDir& folder, bool tools = false) {
  OrderedJson variables = OrderedJson::object();
  if (tools) variables["tools"] = OrderedJson::array();
  const std::optional<ChatTemplate> found = LoadChatTemplateFolder(folder.path());
  return found ? found->Render(variables) : "none";
}

TEST(LoadChatTemplateFolder, Nothing) {
  const TempDir folder;
  EXPECT_EQ(RenderFolder(folder), "none");
  folder.Write("tokenizer_config.json", R"({"bos_token": "x", "chat_template": null})");
  EXPECT_EQ(RenderFolder(folder), "none");
}

TEST(LoadChatTemplateFolder, TheJinjaFileComesFirst) {
  const TempDir folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": "config {{ 1 }}"})");
  EXPECT_EQ(RenderFolder(folder), "config 1");
  folder.Write("chat_template.jinja", "jinja {{ 2 }}\n");
  EXPECT_EQ(RenderFolder(folder), "jinja 2");
}

TEST(LoadChatTemplateFolder, AListOfTemplates) {
  const TempDir folder;
  folder.Write("tokenizer_config.json",
               R"({"chat_template": [{"name": "default", "template": "d"},
                   {"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]})");
  EXPECT_EQ(RenderFolder(folder), "d");
  EXPECT_EQ(RenderFolder(folder, /*tools=*/true), "t");
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
  EXPECT_EQ(RenderFolder(folder), "none");
}

TEST(LoadChatTemplateFolder, Errors) {
  const TempDir folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": 5})");
  ExpectError(Status::kFormat,
              {"tokenizer_config.json: chat_template: is number, wanted a string or an array"},
              [&] { LoadChatTemplateFolder(folder.path()); });
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  ExpectError(Status::kFormat, {"chat_template[0]", "template"},
              [&] { LoadChatTemplateFolder(folder.path()); });
  folder.Write("tokenizer_config.json", R"({"chat_template": "{{ x"})");
  ExpectError(Status::kTemplate, {"tokenizer_config.json: chat_template:1:1: "},
              [&] { LoadChatTemplateFolder(folder.path()); });
  folder.Write("chat_template.jinja", "a\n{% if %}");
  ExpectError(Status::kTemplate, {"chat_template.jinja:2:7: "},
              [&] { LoadChatTemplateFolder(folder.path()); });
}

TEST(LoadChatTemplateGguf, TakesItFromTheMetadata) {
  GgufMetadata metadata("model.gguf");
  EXPECT_FALSE(LoadChatTemplateGguf(metadata).has_value());
  metadata.Set("tokenizer.chat_template", std::string("plain {{ bos_token }}"));
  EXPECT_EQ(LoadChatTemplateGguf(metadata)->Render({{"bos_token", "<s>"}}), "plain <s>");
  metadata.Set("tokenizer.chat_template.tool_use", std::string("tools"));
  EXPECT_EQ(LoadChatTemplateGguf(metadata)->Render({{"tools", OrderedJson::array()}}), "tools");
}

TEST(LoadChatTemplateGguf, ErrorsNameFileAndKey) {
  GgufMetadata metadata("model.gguf");
  metadata.Set("tokenizer.chat_template", std::string("{% nope %}"));
  ExpectError(Status::kTemplate, {"model.gguf: tokenizer.chat_template:1:4: unknown tag 'nope'"},
              [&] { LoadChatTemplateGguf(metadata); });
}

}  // namespace
}  // namespace inference
