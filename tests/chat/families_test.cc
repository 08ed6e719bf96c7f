// Templates of many families against Jinja itself (tests/data/chat/make_golden.py), byte for byte.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "chat/render_chat.h"
#include "support/expect_error.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {
namespace {

std::string DataPath(const std::string& name) {
  return std::string(INFERENCE_TEST_DATA) + "/chat/" + name;
}

// The first line holds what calls refer to by name, each other line is a call with its outcome.
struct Golden {
  OrderedJson shared;
  std::vector<OrderedJson> results;
};

Golden ReadGolden() {
  const std::string path = DataPath("families.json");
  std::istringstream lines(ReadTextFile(path, 16 << 20));
  Golden golden;
  std::string line;
  std::getline(lines, line);
  golden.shared = ParseOrderedJson(line, path);
  while (std::getline(lines, line)) golden.results.push_back(ParseOrderedJson(line, path));
  return golden;
}

std::string RenderCase(const OrderedJson& shared, const OrderedJson& test) {
  const std::string path = DataPath("families/" + test["template"].get<std::string>() + ".jinja");
  const ChatTemplate chat_template = ChatTemplate::Parse(ReadTextFile(path, 1 << 20), "t");
  OrderedJson variables = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  if (test["tools"].get<bool>()) variables["tools"] = shared["tools"];
  variables.update(shared["extras"][test["extra"].get<std::string>()]);
  return RenderChat(chat_template, shared["conversations"][test["conversation"].get<std::string>()],
                    variables,
                    {.add_generation_prompt = test["add_generation_prompt"].get<bool>(),
                     .continue_final_message = test["continue_final_message"].get<bool>()});
}

TEST(TemplateFamilies, RenderAsJinjaDoes) {
  const Golden golden = ReadGolden();
  size_t texts = 0, raised = 0;
  for (const OrderedJson& test : golden.results) {
    SCOPED_TRACE(test.dump().substr(0, 300));
    if (test.contains("text")) {
      try {
        EXPECT_EQ(RenderCase(golden.shared, test), test["text"].get<std::string>());
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
      ++texts;
      continue;
    }
    try {
      ADD_FAILURE() << "rendered: " << RenderCase(golden.shared, test);
    } catch (const Error& error) {
      const std::string message = error.what();
      const bool by_template = test["raised"].get<bool>();
      if (by_template) {
        EXPECT_EQ(error.status(), Status::kTemplate);
        EXPECT_NE(message.find(fmt::format("raised by the template: {}",
                                           Quote(test["error"].get<std::string>()))),
                  std::string::npos)
            << message;
        ++raised;
      } else if (test["continue_final_message"].get<bool>()) {
        EXPECT_TRUE(error.status() == Status::kTemplate || error.status() == Status::kArg);
      } else {
        EXPECT_EQ(error.status(), Status::kTemplate) << message;
      }
    }
  }
  EXPECT_GT(texts, 500u);
  EXPECT_GT(raised, 60u);
}

}  // namespace
}  // namespace inference
