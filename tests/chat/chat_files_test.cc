#include "chat/chat_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/expect_error.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

std::string Rendered(const TemplateSet& set, std::string_view name = "", bool tools = false) {
  return set.Select(name, tools).Render(OrderedJson::object());
}

std::string RenderFolder(const TempDir& folder, std::string_view name = "") {
  const TemplateSet set = LoadChatTemplatesFolder(folder.path());
  return set.empty() ? "none" : Rendered(set, name);
}

void MakeFolder(const TempDir& folder, const std::string& name) {
  ASSERT_TRUE(std::filesystem::create_directory(folder.path() + "/" + name));
}

TEST(LoadChatTemplatesFolder, Nothing) {
  const TempDir folder;
  EXPECT_EQ(RenderFolder(folder), "none");
  folder.Write("tokenizer_config.json", R"({"bos_token": "x", "chat_template": null})");
  EXPECT_EQ(RenderFolder(folder), "none");
  MakeFolder(folder, "additional_chat_templates");
  folder.Write("additional_chat_templates/readme.txt", "no template");
  EXPECT_EQ(RenderFolder(folder), "none");
}

TEST(LoadChatTemplatesFolder, Precedence) {
  const TempDir folder;
  folder.Write("chat_template.json", R"({"chat_template": "json {{ 1 }}"})");
  EXPECT_EQ(RenderFolder(folder), "json 1");
  folder.Write("tokenizer_config.json", R"({"chat_template": "config {{ 2 }}"})");
  EXPECT_EQ(RenderFolder(folder), "config 2");
  folder.Write("chat_template.jinja", "jinja {{ 3 }}\n");
  EXPECT_EQ(RenderFolder(folder), "jinja 3");
  MakeFolder(folder, "additional_chat_templates");
  folder.Write("additional_chat_templates/tool_use.jinja", "tools {{ 4 }}\n\n");
  folder.Write("additional_chat_templates/rag.jinja", "rag {{ 5 }}");
  EXPECT_EQ(RenderFolder(folder), "jinja 3");
  EXPECT_EQ(RenderFolder(folder, "rag"), "rag 5");
  EXPECT_EQ(Rendered(LoadChatTemplatesFolder(folder.path()), "", /*tools=*/true), "tools 4\n");
}

// As in transformers, the files stand for all that tokenizer_config.json says.
TEST(LoadChatTemplatesFolder, AdditionalFilesAlone) {
  const TempDir folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": "config"})");
  MakeFolder(folder, "additional_chat_templates");
  folder.Write("additional_chat_templates/rag.jinja", "rag");
  EXPECT_EQ(RenderFolder(folder, "rag"), "rag");
  ExpectError(Status::kState, {"no default chat template, choose one of: 'rag'"},
              [&] { RenderFolder(folder); });
}

TEST(LoadChatTemplatesFolder, AListOfTemplates) {
  const TempDir folder;
  folder.Write("tokenizer_config.json",
               R"({"chat_template": [{"name": "default", "template": "d"},
                   {"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]})");
  EXPECT_EQ(RenderFolder(folder), "d");
  EXPECT_EQ(RenderFolder(folder, "rag"), "r");
  EXPECT_EQ(Rendered(LoadChatTemplatesFolder(folder.path()), "", /*tools=*/true), "t");
  folder.Write("tokenizer_config.json", R"({"chat_template": []})");
  EXPECT_EQ(RenderFolder(folder), "none");
}

TEST(LoadChatTemplatesFolder, ATemplateThatCannotBeParsedFailsWhereItIsUsed) {
  const TempDir folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": "{{ x"})");
  const TemplateSet set = LoadChatTemplatesFolder(folder.path());
  ExpectError(Status::kTemplate, {"tokenizer_config.json: chat_template:1:1: "},
              [&] { set.Select("", false); });
  folder.Write("tokenizer_config.json",
               R"({"chat_template": [{"name": "rag", "template": "{% if %}"},
                   {"name": "default", "template": "d"}]})");
  EXPECT_EQ(RenderFolder(folder), "d");
  ExpectError(Status::kTemplate, {"chat_template[0]:1:7: "}, [&] { RenderFolder(folder, "rag"); });
  folder.Write("chat_template.jinja", "a\n{% if %}");
  ExpectError(Status::kTemplate, {"chat_template.jinja:2:7: "}, [&] { RenderFolder(folder); });
  folder.Write("chat_template.jinja", "a\xFFz");
  ExpectError(Status::kTemplate, {"chat_template.jinja: template is not UTF-8"},
              [&] { RenderFolder(folder); });
  folder.Write("chat_template.jinja", std::string(2 << 20, 'a'));
  ExpectError(Status::kTemplate, {"template has 2097152 bytes, wanted at most 1048576"},
              [&] { RenderFolder(folder); });
}

TEST(LoadChatTemplatesFolder, Errors) {
  const TempDir folder;
  const auto expect = [&](Status status, std::string_view part) {
    ExpectError(status, {part}, [&] { LoadChatTemplatesFolder(folder.path()); });
  };
  folder.Write("tokenizer_config.json", R"({"chat_template": 5})");
  expect(Status::kFormat,
         "tokenizer_config.json: chat_template: is number, wanted a string or an array");
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  expect(Status::kFormat, "chat_template[0]: template");
  folder.Write("tokenizer_config.json", R"({"chat_template": ["x"]})");
  expect(Status::kFormat, "chat_template[0]");
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"template": "x", "name": 1}]})");
  expect(Status::kFormat, "chat_template[0]: name");
  OrderedJson many = OrderedJson::array();
  for (int i = 0; i < 101; ++i) many.push_back({{"name", std::to_string(i)}, {"template", "x"}});
  folder.Write("tokenizer_config.json", OrderedJson{{"chat_template", many}}.dump());
  expect(Status::kLimit, "chat_template: has 101 templates, wanted at most 100");
  folder.Write("tokenizer_config.json", "[1]");
  expect(Status::kFormat, "tokenizer_config.json");
  folder.Write("tokenizer_config.json", "{}");
  folder.Write("chat_template.jinja", std::string(5 << 20, 'a'));
  expect(Status::kLimit, "chat_template.jinja");
}

TEST(LoadChatTemplatesFolder, LinksOutOfTheFolderAreRefused) {
  const TempDir folder, elsewhere;
  elsewhere.Write("t.jinja", "other");
  std::filesystem::create_symlink(elsewhere.path() + "/t.jinja",
                                  folder.path() + "/chat_template.jinja");
  ExpectError(Status::kPath, {"chat_template.jinja"},
              [&] { LoadChatTemplatesFolder(folder.path()); });
  const auto followed = [&] { return LoadChatTemplatesFolder(Folder(folder.path(), true)); };
  EXPECT_EQ(Rendered(followed()), "other");
  std::filesystem::remove(folder.path() + "/chat_template.jinja");
  std::filesystem::create_symlink(elsewhere.path(), folder.path() + "/additional_chat_templates");
  ExpectError(Status::kPath,
              {"additional_chat_templates: links to '", "expected a folder inside its folder"},
              [&] { LoadChatTemplatesFolder(folder.path()); });
  EXPECT_EQ(Rendered(followed(), "t"), "other");
}

TEST(LoadChatTemplatesFolder, LinksThatStayInTheFolderAreFollowed) {
  const TempDir folder;
  folder.Write("tools.jinja", "tools");
  MakeFolder(folder, "more");
  folder.Write("more/rag.jinja", "rag");
  std::filesystem::create_symlink("../tools.jinja", folder.Path("more/tool_use.jinja"));
  std::filesystem::create_directory_symlink("more", folder.Path("additional_chat_templates"));
  EXPECT_EQ(RenderFolder(folder, "rag"), "rag");
  EXPECT_EQ(RenderFolder(folder, "tool_use"), "tools");
  std::filesystem::remove(folder.Path("additional_chat_templates"));
  std::filesystem::rename(folder.Path("more"), folder.Path("additional_chat_templates"));
  EXPECT_EQ(RenderFolder(folder, "tool_use"), "tools");
  std::filesystem::create_symlink("nowhere", folder.Path("additional_chat_templates/gone.jinja"));
  ExpectError(Status::kNotFound, {"additional_chat_templates/gone.jinja"},
              [&] { RenderFolder(folder); });
}

TEST(LoadChatTemplatesFolder, AtMostAHundredFiles) {
  const TempDir folder;
  MakeFolder(folder, "additional_chat_templates");
  for (int i = 0; i < 101; ++i) {
    folder.Write(fmt::format("additional_chat_templates/{}.jinja", i), "x");
  }
  ExpectError(Status::kLimit, {"additional_chat_templates: more than 100 templates"},
              [&] { RenderFolder(folder); });
}

TEST(LoadSpecialTokensFolder, TextsAndObjects) {
  const TempDir folder;
  EXPECT_EQ(LoadSpecialTokensFolder(folder.path()).dump(), "{}");
  folder.Write("special_tokens_map.json",
               R"({"pad_token": "<p>", "unk_token": {"content": "<u>", "lstrip": false}})");
  folder.Write("tokenizer_config.json",
               R"({"bos_token": {"content": "<s>"}, "eos_token": null, "pad_token": "<pad>",
                   "image_token": "<img>", "add_bos_token": true, "x_token": {"id": 1}, "other": "o",
                   "extra_special_tokens": {"audio_token": "<a>", "boi": "<i>"}})");
  EXPECT_EQ(LoadSpecialTokensFolder(folder.path()),
            ParseOrderedJson(R"({"bos_token": "<s>", "audio_token": "<a>", "boi": "<i>",
                                 "image_token": "<img>", "pad_token": "<pad>", "unk_token": "<u>"})",
                             "wanted"));
  folder.Write("tokenizer_config.json", R"({"extra_special_tokens": ["<a>"]})");
  folder.Write("special_tokens_map.json", "{}");
  EXPECT_EQ(LoadSpecialTokensFolder(folder.path()).dump(), "{}");
}

TEST(LoadChatTemplatesGguf, TakesThemFromTheMetadata) {
  GgufMetadata metadata("model.gguf");
  EXPECT_TRUE(LoadChatTemplatesGguf(metadata).empty());
  metadata.Set("tokenizer.chat_templates", std::vector<std::string>{"rag", "tool_use"});
  EXPECT_TRUE(LoadChatTemplatesGguf(metadata).empty());
  metadata.Set("tokenizer.chat_template", std::string("plain {{ bos_token }}"));
  metadata.Set("tokenizer.chat_template.tool_use", std::string("tools"));
  metadata.Set("tokenizer.chat_template.rag", std::string("rag"));
  const TemplateSet set = LoadChatTemplatesGguf(metadata);
  EXPECT_EQ(set.Names(), "'default', 'rag', 'tool_use'");
  EXPECT_EQ(set.Select("", false).Render({{"bos_token", "<s>"}}), "plain <s>");
  EXPECT_EQ(Rendered(set, "", /*tools=*/true), "tools");
}

TEST(LoadChatTemplatesGguf, AtMostAHundred) {
  GgufMetadata metadata("model.gguf");
  metadata.Set("tokenizer.chat_template", std::string("x"));
  for (int i = 1; i < 100; ++i) {
    metadata.Set("tokenizer.chat_template." + std::to_string(i), std::string("x"));
  }
  EXPECT_EQ(Rendered(LoadChatTemplatesGguf(metadata), "99"), "x");
  metadata.Set("tokenizer.chat_template.100", std::string("x"));
  ExpectError(Status::kLimit, {"model.gguf: has more than 100 chat templates"},
              [&] { LoadChatTemplatesGguf(metadata); });
}

TEST(LoadChatTemplatesGguf, NamesOfAnyBytesAreQuoted) {
  GgufMetadata metadata("model.gguf");
  metadata.Set("tokenizer.chat_template.a\n\x1b[2J", std::string("x"));
  ExpectError(Status::kState, {"choose one of: 'a\\x0a\\x1b[2J'"},
              [&] { LoadChatTemplatesGguf(metadata).Select("", false); });
}

TEST(LoadChatTemplatesGguf, ErrorsNameFileAndKey) {
  GgufMetadata metadata("model.gguf");
  metadata.Set("tokenizer.chat_template", std::string("{% nope %}"));
  const TemplateSet set = LoadChatTemplatesGguf(metadata);
  ExpectError(Status::kTemplate, {"model.gguf: tokenizer.chat_template:1:4: unknown tag 'nope'"},
              [&] { set.Select("", false); });
  metadata.Set("tokenizer.chat_template.rag", int64_t{3});
  ExpectError(Status::kFormat, {"model.gguf", "tokenizer.chat_template.rag"},
              [&] { LoadChatTemplatesGguf(metadata); });
}

}  // namespace
}  // namespace inference
