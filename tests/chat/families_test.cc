// Templates of many families against Jinja itself (tests/data/chat/make_golden.py), byte for byte.
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <utility>

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

// What the library says where Python raises test["error"]: Jinja's own words are Python's, those of
// continue_final_message are ours.
std::pair<Status, std::string> WantedError(const OrderedJson& test) {
  static const std::map<std::string, std::pair<Status, std::string>> kOfContinue = {
      {"IndexError: list index out of range",
       {Status::kArg, "continue_final_message: there is no message"}},
      {"ValueError: the final message has no content to continue",
       {Status::kArg, "has no text to continue"}},
      {"ValueError: the final message does not appear in the rendered chat",
       {Status::kTemplate,
        "continue_final_message: the template does not print the last message as it is"}}};
  const std::string error = test["error"];
  if (test["raised"].get<bool>()) {
    return {Status::kTemplate, fmt::format("raised by the template: {}", Quote(error))};
  }
  if (test["continue_final_message"].get<bool>() && kOfContinue.contains(error)) {
    return kOfContinue.at(error);
  }
  return {Status::kTemplate, error.substr(error.find(": ") + 2)};
}

TEST(TemplateFamilies, RenderAsJinjaDoes) {
  const Golden golden = ReadGolden();
  size_t texts = 0, raised = 0, failed = 0;
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
      const auto [status, message] = WantedError(test);
      EXPECT_EQ(error.status(), status) << error.what();
      EXPECT_NE(std::string_view(error.what()).find(message), std::string_view::npos)
          << error.what() << "\nwanted: " << message;
      ++(test["raised"].get<bool>() ? raised : failed);
    }
  }
  EXPECT_GT(texts, 500u);
  EXPECT_GT(raised, 60u);
  EXPECT_GT(failed, 80u);
}

}  // namespace
}  // namespace inference
