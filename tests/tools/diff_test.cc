// inference diff: tables for people, lines for programs; and adapters on what works on many texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kPeft = INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/adapter-peft";
const std::string kTexts = "\"The quick brown\"\n\n\"Once upon a time\\n\"\n";

Outcome Diff(std::vector<std::string> arguments, const std::string& input = kTexts) {
  arguments.insert(arguments.begin(), {"diff", "--model", TinyModel()});
  return Inference(arguments, input);
}

std::vector<Json> Lines(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.lines();
}

TEST(DiffCommand, LinesHaveWhatRollingGivesOnEachSide) {
  const auto lines = Lines(Diff({"--adapter", kPeft, "--json", "--top-k", "2"}));
  const auto base = Lines(Inference({"rolling", "--model", TinyModel()}, kTexts));
  const auto adapted =
      Lines(Inference({"rolling", "--model", TinyModel(), "--adapter", kPeft}, kTexts));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["text"], "The quick brown");
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(lines[i]["token_ids"], base[i]["token_ids"]);
    EXPECT_EQ(lines[i]["base"], base[i]["logprobs"]);
    EXPECT_EQ(lines[i]["adapted"], adapted[i]["logprobs"]);
    const size_t n = lines[i]["base"].size();
    for (const char* column : {"kl", "kl_reverse", "js", "moved"}) {
      EXPECT_EQ(lines[i][column].size(), n) << column;
    }
    for (size_t p = 0; p < n; ++p) {
      EXPECT_GT(lines[i]["kl"][p].get<double>(), 0.0);
      ASSERT_EQ(lines[i]["moved"][p].size(), 2u);
      EXPECT_TRUE(lines[i]["moved"][p][0]["text"].is_string());
    }
    const Json& summary = lines[i]["summary"];
    EXPECT_EQ(summary["positions"], n);
    EXPECT_NEAR(summary["adapted_perplexity"].get<double>(),
                std::exp(-adapted[i]["total_logprob"].get<double>() / static_cast<double>(n)),
                1e-3 * summary["adapted_perplexity"].get<double>());
  }
}

TEST(DiffCommand, SidesAndScales) {
  const auto mean = [](const std::vector<std::string>& arguments) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"--json", "--prompt", "The quick brown fox"});
    return Lines(Diff(all, "")).at(0)["summary"]["mean_kl"].get<double>();
  };
  const double one = mean({"--adapter", kPeft});
  EXPECT_GT(one, 0.0);
  EXPECT_EQ(mean({"--adapter", kPeft, "--against", kPeft}), 0.0);
  EXPECT_EQ(mean({"--adapter", kPeft, "--scale", "0"}), 0.0);
  EXPECT_EQ(mean({"--adapter", kPeft + ":2", "--scale", "0.5"}), one);
  EXPECT_NE(mean({"--adapter", kPeft, "--against", kPeft + ":0.5"}), one);
  const double noise = mean({"--adapter", kPeft, "--noise", "7"});
  EXPECT_GT(noise, 0.0);
  EXPECT_NE(noise, one);
  EXPECT_EQ(mean({"--adapter", kPeft, "--noise", "7"}), noise);
  EXPECT_NE(mean({"--adapter", kPeft, "--noise", "8"}), noise);
  const auto lines = Lines(Diff({"--adapter", kPeft, "--scale", "0.5", "--scale", "1", "--json"}));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1]["scale"], 0.5);
  EXPECT_EQ(lines[2]["scale"], 1.0);
  EXPECT_LT(lines[0]["summary"]["mean_kl"], lines[2]["summary"]["mean_kl"]);
}

// Columns under each other, whatever the tokens are; no colours where nobody looks.
TEST(DiffCommand, TheTableIsAligned) {
  const Outcome outcome = Diff({"--adapter", kPeft + ":20"}, kTexts + "\"日本 a\\u0001\"\n");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("\033")));
  EXPECT_THAT(outcome.out, HasSubstr("\"Once upon a time\\n\"\n"));
  EXPECT_THAT(outcome.out, HasSubstr("3 texts\n"));
  EXPECT_THAT(outcome.out, HasSubstr("perplexity"));
  EXPECT_THAT(outcome.out, HasSubstr(" > ")) << "tokens that moved";
  EXPECT_THAT(outcome.out, HasSubstr("<48")) << "ids that the tokenizer has no text for";
  EXPECT_THAT(outcome.out, Not(HasSubstr("expected")));
  std::istringstream stream(outcome.out);
  size_t bar = std::string::npos, rows = 0;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("    #")) bar = line.find("JS") + 3;
    if (!line.starts_with("    ") || line.starts_with("    #")) continue;
    ++rows;
    ASSERT_NE(bar, std::string::npos);
    if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) > 127; })) {
      continue;  // more bytes than columns
    }
    const std::string cells = line.substr(bar, 10);
    EXPECT_EQ(cells.find_first_not_of("#."), std::string::npos) << line;
  }
  EXPECT_GT(rows, 5u);
  const Outcome several =
      Diff({"--adapter", kPeft, "--scale", "0.5", "--scale", "1", "--prompt", "The quick"}, "");
  EXPECT_THAT(several.out, HasSubstr("scale 0.5\n\"The quick\"\n"));
  EXPECT_THAT(several.out, Not(HasSubstr("#"))) << "summaries only";
}

TEST(DiffCommand, TheLastPosition) {
  const auto lines = Lines(Diff({"--adapter", kPeft, "--last", "--json", "--top-k", "5"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["kl"].size(), 1u);
  EXPECT_EQ(lines[0]["moved"][0].size(), 5u);
  EXPECT_FALSE(lines[0].contains("base"));
  EXPECT_FALSE(lines[0]["summary"].contains("base_perplexity"));
  const Outcome table = Diff({"--adapter", kPeft, "--last"});
  EXPECT_THAT(table.out, HasSubstr("1 position: KL"));
  EXPECT_THAT(table.out, Not(HasSubstr("perplexity")));
}

TEST(DiffCommand, WhatIsWrongIsNamed) {
  const auto fails = [](const std::vector<std::string>& arguments, int code,
                        const std::string& part, const std::string& input = kTexts) {
    const Outcome outcome = Diff(arguments, input);
    EXPECT_EQ(outcome.exit_code, code);
    EXPECT_THAT(outcome.err, HasSubstr(part));
  };
  fails({}, 2, "--adapter is needed");
  fails({"--adapter", "/nowhere"}, 1, "/nowhere");
  fails({"--adapter", kPeft, "--against", "/nowhere"}, 1, "/nowhere");
  fails({"--adapter", kPeft, "--top-k", "65"}, 2, "65 is not a number from 0 to 64");
  fails({"--adapter", kPeft, "--window", "1"}, 1, "the window is 1 tokens");
  fails({"--adapter", kPeft, "--scale", "nan"}, 1, "nan");
  fails({"--adapter", kPeft}, 1, "line 2: a JSON string is wanted, this is array", "\"a\"\n[]\n");
  const Outcome numeric = Diff({"--adapter", kPeft + ":3e38", "--json"});
  EXPECT_EQ(numeric.exit_code, 0);
  EXPECT_THAT(numeric.lines()[0]["error"], HasSubstr("the adapted side's logits after position 0"));
}

TEST(AdapterOption, ClassesAndVectors) {
  for (const char* command : {"classify", "embed"}) {
    const Outcome base = Inference({command, "--model", TinyModel(), "--json"}, kTexts);
    const Outcome adapted =
        Inference({command, "--model", TinyModel(), "--adapter", kPeft + ":40"}, kTexts);
    EXPECT_EQ(base.exit_code, 0) << base.err;
    EXPECT_EQ(adapted.exit_code, 0) << adapted.err;
    EXPECT_NE(base.out, adapted.out) << command;
  }
  const auto scores =
      Lines(Inference({"score", "--model", TinyModel(), "--adapter", kPeft, "--json"},
                      R"({"prompt": "The quick brown", "completion": " fox jumps"})"));
  const auto classes = Lines(Inference(
      {"classify", "--model", TinyModel(), "--adapter", kPeft, "--label", " fox jumps"}, kTexts));
  EXPECT_NEAR(classes[0]["logprobs"][0].get<double>(), scores[0]["total"].get<double>(), 1e-4);
}

}  // namespace
}  // namespace inference::tools_test
