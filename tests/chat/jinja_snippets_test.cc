// Small templates against what Jinja itself prints (tests/data/chat/make_snippets.py).
#include <gtest/gtest.h>

#include <string>

#include "chat/chat_template.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {
namespace {

OrderedJson ReadFixture(const std::string& name) {
  const std::string path = std::string(INFERENCE_TEST_DATA) + "/chat/" + name;
  return ParseOrderedJson(ReadTextFile(path, 16 << 20), path);
}

// Messages that are Python's word for word; those of its own types and parser are not.
bool MessageIsTheSame(const std::string& error) {
  return (error.starts_with("UndefinedError: ") && error.find("inline if") == error.npos) ||
         error.starts_with("SecurityError: ") || error.starts_with("TemplateError: ");
}

TEST(JinjaSnippets, PrintWhatJinjaPrints) {
  const OrderedJson fixture = ReadFixture("snippets.json");
  const OrderedJson& variables = fixture["variables"];
  size_t rendered = 0, failed = 0;
  for (const OrderedJson& test : fixture["cases"]) {
    const std::string source = test["source"];
    const bool fails = test.contains("error");
    try {
      const std::string text = ChatTemplate::Parse(source, "snippet").Render(variables);
      if (fails) {
        ADD_FAILURE() << source << "\nprinted: " << text << "\nwanted:  " << test["error"];
      } else {
        EXPECT_EQ(text, test["expected"].get<std::string>()) << source;
        ++rendered;
      }
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_TRUE(fails) << source << "\n" << message << "\nwanted: " << test["expected"];
      EXPECT_EQ(error.status(), Status::kTemplate) << message;
      EXPECT_TRUE(message.starts_with("snippet:")) << message;
      ++failed;
      if (!fails) continue;
      const std::string wanted = test["error"];
      if (MessageIsTheSame(wanted)) {
        EXPECT_NE(message.find(wanted.substr(wanted.find(": ") + 2)), message.npos)
            << source << "\n"
            << message << "\nwanted: " << wanted;
      }
    }
  }
  EXPECT_GT(rendered, 150u);
  EXPECT_GT(failed, 100u);
}

}  // namespace
}  // namespace inference
