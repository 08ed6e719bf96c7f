#include "chat/template_set.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace inference {
namespace {

std::string Chosen(const TemplateSet& set, std::string_view name = "", bool has_tools = false) {
  return set.Select(name, has_tools).Render(OrderedJson::object());
}

TEST(TemplateSet, ChoosesAsTransformers) {
  TemplateSet set;
  set.Add("default", "d", "t");
  EXPECT_EQ(Chosen(set, "", /*has_tools=*/true), "d");
  set.Add("tool_use", "t", "t");
  set.Add("rag", "r", "t");
  EXPECT_EQ(Chosen(set), "d");
  EXPECT_EQ(Chosen(set, "", /*has_tools=*/true), "t");
  EXPECT_EQ(Chosen(set, "default", /*has_tools=*/true), "d");
  EXPECT_EQ(Chosen(set, "rag"), "r");
  EXPECT_EQ(set.Names(), "'default', 'rag', 'tool_use'");
  set.Add("rag", "again", "t");
  EXPECT_EQ(Chosen(set, "rag"), "again");
  EXPECT_TRUE(set.Has("rag"));
  EXPECT_FALSE(set.Has("nope"));
}

TEST(TemplateSet, Errors) {
  TemplateSet set;
  EXPECT_TRUE(set.empty());
  ExpectError(Status::kState, {"chat: the checkpoint has no chat template, and none was set"},
              [&] { set.Select("", false); });
  set.Add("rag", "r", "t");
  set.Add("tool_use", "{% if %}", "config");
  ExpectError(Status::kState, {"no default chat template, choose one of: 'rag', 'tool_use'"},
              [&] { set.Select("", false); });
  ExpectError(Status::kArg, {"no chat template 'nope', it has: 'rag', 'tool_use'"},
              [&] { set.Select("nope", false); });
  EXPECT_EQ(Chosen(set, "rag"), "r");
  for (int again = 0; again < 2; ++again) {
    ExpectError(Status::kTemplate, {"config:1:7: "}, [&] { set.Select("", true); });
  }
  set.Add("default", std::string(2 << 20, 'x'), "config");
  ExpectError(Status::kTemplate, {"config: template has 2097152 bytes"},
              [&] { set.Select("", false); });
}

TEST(ChooseTemplate, NamesStylesAndJinja) {
  TemplateSet set;
  set.Add("default", "d", "t");
  set.Add("gemma", "the checkpoint's own", "t");
  EXPECT_TRUE(TemplateChoice().empty());
  EXPECT_EQ(ChooseTemplate(set, "default").name, "default");
  EXPECT_EQ(ChooseTemplate(set, "gemma").name, "gemma");
  const OrderedJson one = {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}};
  for (const char* text : {"plain", "{{ messages[0].content }}"}) {
    const TemplateChoice choice = ChooseTemplate(set, text);
    EXPECT_FALSE(choice.empty());
    ASSERT_NE(choice.other, nullptr);
    EXPECT_EQ(choice.other->Render(one), "Hi");
  }
  EXPECT_EQ(ChooseTemplate(set, "no tag at all").other->Render(one), "no tag at all");
}

TEST(ChooseTemplate, Errors) {
  TemplateSet set;
  ExpectError(Status::kArg, {"chat_template: is empty"}, [&] { ChooseTemplate(set, ""); });
  ExpectError(Status::kArg,
              {"no style or template is called 'chatlm'; styles: gemma, gemma-system, chatml, "
               "llama3, plain; the checkpoint's: none"},
              [&] { ChooseTemplate(set, "chatlm"); });
  set.Add("rag", "r", "t");
  ExpectError(Status::kArg, {"the checkpoint's: 'rag'"}, [&] { ChooseTemplate(set, "tool_use"); });
  ExpectError(Status::kTemplate, {"chat_template:1:7: "}, [&] { ChooseTemplate(set, "{% if %}"); });
}

}  // namespace
}  // namespace inference
