// --adapter on the commands that compute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

const std::string kPeft = INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/adapter-peft";

double Total(const std::vector<std::string>& adapters) {
  std::vector<std::string> arguments = {"score", "--model", TinyModel()};
  for (const std::string& adapter : adapters) {
    arguments.push_back("--adapter");
    arguments.push_back(adapter);
  }
  const Outcome outcome =
      Inference(arguments, R"({"prompt": "The quick brown", "completion": " fox jumps"})");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.last()["total"].get<double>();
}

TEST(AdapterOption, AddsUpAndScales) {
  const double base = Total({}), one = Total({kPeft});
  EXPECT_NE(base, one);
  EXPECT_EQ(Total({kPeft + ":1"}), one);
  EXPECT_EQ(Total({kPeft + ":0.25", kPeft + "/adapter_model.safetensors:0.75"}), one);
  EXPECT_EQ(Total({kPeft + ":0"}), base);
  EXPECT_NE(Total({kPeft + ":-2.5"}), one);
}

TEST(AdapterOption, IsThereForTextAndNextTokensToo) {
  const auto last = [](std::vector<std::string> arguments, const std::string& input) {
    arguments.insert(arguments.end(), {"--model", TinyModel()});
    const Outcome base = Inference(arguments, input);
    arguments.insert(arguments.end(), {"--adapter", kPeft + ":40"});
    const Outcome adapted = Inference(arguments, input);
    EXPECT_EQ(base.exit_code, 0) << base.err;
    EXPECT_EQ(adapted.exit_code, 0) << adapted.err;
    return std::pair(base.out, adapted.out);
  };
  for (const auto& [arguments, input] :
       {std::pair<std::vector<std::string>, std::string>({"next", "--top-k", "3"}, "\"The\"\n"),
        {{"rolling"}, "\"The quick brown\"\n"},
        {{"generate", "--prompt", "The quick", "--max-tokens", "8", "--ignore-eos"}, ""}}) {
    const auto [base, adapted] = last(arguments, input);
    EXPECT_NE(base, adapted) << arguments[0];
  }
}

TEST(AdapterOption, WhatIsWrongIsNamed) {
  const auto fails = [](const std::string& adapter, const std::string& part) {
    const Outcome outcome =
        Inference({"next", "--model", TinyModel(), "--adapter", adapter}, "\"a\"");
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(part));
  };
  fails("/nowhere", "/nowhere");
  fails("/nowhere:2", "/nowhere");
  fails("/nowhere:x", "/nowhere:x");
  fails(kPeft + ":nan", "nan");
  fails(INFERENCE_TEST_DATA "/golden/tiny/gemma3-text/adapter-peft", "adapter_model.safetensors");
}

TEST(MergeCommand, WritesAModelThatScoresAsWithTheAdapter) {
  const TempDir folder;
  const std::string out = folder.Path("merged");
  const Outcome outcome =
      Inference({"merge", "--model", TinyModel(), "--adapter", kPeft + ":4", "--out", out});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(out));
  const std::string line = R"({"prompt": "The quick brown", "completion": " fox jumps"})";
  const Outcome merged = Inference({"score", "--model", out}, line);
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  const double base = Total({}), adapted = Total({kPeft + ":4"});
  const double got = merged.last()["total"].get<double>();
  EXPECT_LT(std::abs(got - adapted), 0.1 * std::abs(adapted - base)) << "rounded to bfloat16";
  const Outcome again =
      Inference({"merge", "--model", TinyModel(), "--adapter", kPeft, "--out", out});
  EXPECT_NE(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr(out));
}

}  // namespace
}  // namespace inference::tools_test
