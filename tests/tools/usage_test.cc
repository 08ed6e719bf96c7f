// Exit codes, error lines and help: what needs no model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct UsageCase {
  std::vector<std::string> arguments;
  std::string message, hint;
};

class Usage : public testing::TestWithParam<UsageCase> {};

TEST_P(Usage, ExitsWithTwoAndAHint) {
  const Outcome outcome = Inference(GetParam().arguments);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "inference: ARG: " + GetParam().message + "\nTry: inference " + GetParam().hint + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, Usage,
    testing::Values(
        UsageCase{{}, "a command is wanted", "--help"},
        UsageCase{{"fly"}, "fly is not a command", "--help"},
        UsageCase{{"info"}, "--model is required", "info --help"},
        UsageCase{{"generate", "--model", "m"},
                  "exactly one of --prompt, --ids and --messages is needed",
                  "generate --help"},
        UsageCase{{"generate", "--model", "m", "--prompt", "a", "--ids", "1"},
                  "exactly one of --prompt, --ids and --messages is needed",
                  "generate --help"},
        UsageCase{{"generate", "--model", "m", "--ids", "1,x"},
                  "--ids: entry 2 is not a token id; wanted numbers with commas, such as 1,2,3",
                  "generate --help"},
        UsageCase{{"generate", "--model", "m", "--ids", ""},
                  "--ids: entry 1 is not a token id; wanted numbers with commas, such as 1,2,3",
                  "generate --help"},
        UsageCase{{"generate", "--model", "m", "--prompt", "a", "--max-tokens", "0"},
                  "--max-tokens: 0 is not a whole number of at least 1",
                  "generate --help"},
        UsageCase{{"generate", "--model", "m", "--prompt", "a", "--temperature", "-1"},
                  "--temperature: -1 is not a number from 0 to 100",
                  "generate --help"},
        UsageCase{{"tokenize"}, "one of --tokenizer and --model is needed", "tokenize --help"},
        UsageCase{{"logits", "--model", "m", "--ids", "1"}, "--out is required", "logits --help"}));

TEST(Help, OfEveryCommandHasAnExample) {
  for (const std::string command :
       {"generate", "chat",   "info",     "discover", "estimate", "devices", "tokenize",
        "render",   "logits", "bench",    "quantize", "merge",    "tune",    "score",
        "rolling",  "next",   "classify", "embed",    "batch",    "diff"}) {
    const Outcome outcome = Inference({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("inference " + command));
    EXPECT_THAT(outcome.out, HasSubstr("Example"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Help, NamesEveryStyleOfTemplate) {
  for (const std::string command : {"generate", "chat", "render"}) {
    EXPECT_THAT(Inference({command, "--help"}).out,
                testing::ContainsRegex("gemma\\|gemma-system\\|chatml\\|llama3\\|plain"))
        << command;
  }
}

TEST(Help, VersionIsTheLibrarys) {
  const Outcome outcome = Inference({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("inference 0."));
}

TEST(Errors, MissingModelNamesThePath) {
  for (const std::string command : {"info", "bench", "chat"}) {
    const Outcome outcome = Inference({command, "--model", "/no/such/model.gguf"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("inference: NOT_FOUND: "));
    EXPECT_THAT(outcome.err, HasSubstr("/no/such/model.gguf"));
  }
}

TEST(Errors, OutputThatCannotBeWritten) {
  const Outcome outcome =
      Inference({"logits", "--model", "m", "--ids", "1", "--out", "/no/such/folder/f"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "inference: NOT_FOUND: /no/such/folder/f: cannot create: No such file or directory\n");
}

TEST(Devices, JsonListsThemWithOneDefault) {
  const Outcome outcome = Inference({"devices", "--json"});
  ASSERT_EQ(outcome.exit_code, 0);
  ASSERT_EQ(outcome.lines().size(), 1u);
  const Json list = outcome.lines()[0];
  EXPECT_TRUE(list["library"].is_object());
  ASSERT_FALSE(list["devices"].empty());
  int defaults = 0;
  for (const Json& device : list["devices"]) {
    EXPECT_NE(device["name"], "");
    EXPECT_GT(device["memory_bytes"], 0);
    defaults += device["default"].get<bool>() ? 1 : 0;
  }
  EXPECT_EQ(defaults, 1);
}

}  // namespace
}  // namespace inference::tools_test
