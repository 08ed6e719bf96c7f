// classify, embed: a JSON string a line in, results in the same order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

std::vector<Json> Lines(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  std::vector<Json> out;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) out.push_back(Json::parse(line));
  return out;
}

const std::string kTexts = "\"The quick brown\"\n\n\"Once upon a time\"\n";

TEST(ClassifyCommand, TheLikeliestTokenIsThatOfNext) {
  const auto classes = Lines(Inference({"classify", "--model", TinyModel(), "--logits"}, kTexts));
  const auto next = Lines(Inference({"next", "--model", TinyModel(), "--top-k", "1"}, kTexts));
  ASSERT_EQ(classes.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(classes[i]["token"], next[i]["ids"][0]);
    EXPECT_FALSE(classes[i]["text"].get<std::string>().empty());
    EXPECT_GT(classes[i]["logits"].size(), 100u);
  }
}

TEST(ClassifyCommand, LabelsHaveTheirScores) {
  const auto classes = Lines(Inference(
      {"classify", "--model", TinyModel(), "--label", " fox jumps", "--label", " dog"}, kTexts));
  const auto scores = Lines(Inference({"score", "--model", TinyModel()},
                                      "{\"prompt\": \"The quick brown\", \"completion\": \" fox "
                                      "jumps\"}\n{\"prompt\": \"The quick brown\", "
                                      "\"completion\": \" dog\"}\n"));
  ASSERT_EQ(classes.size(), 2u);
  for (size_t l = 0; l < 2; ++l) {
    EXPECT_NEAR(classes[0]["logprobs"][l].get<double>(), scores[l]["total"].get<double>(), 1e-4);
  }
  const size_t best = scores[0]["total"] >= scores[1]["total"] ? 0 : 1;
  EXPECT_EQ(classes[0]["index"], best);
  EXPECT_EQ(classes[0]["label"], best == 0 ? " fox jumps" : " dog");
  EXPECT_TRUE(Lines(Inference({"classify", "--model", TinyModel()}, "")).empty());
}

TEST(EmbedCommand, VectorsHaveLengthOneUnlessRaw) {
  const auto length = [](const Json& vector) {
    double squares = 0.0;
    for (const Json& x : vector) squares += x.get<double>() * x.get<double>();
    return std::sqrt(squares);
  };
  for (const char* pooling : {"mean", "last", "cls"}) {
    const auto lines =
        Lines(Inference({"embed", "--model", TinyModel(), "--pooling", pooling}, kTexts));
    ASSERT_EQ(lines.size(), 2u);
    for (const Json& line : lines) EXPECT_NEAR(length(line), 1.0, 1e-5);
  }
  const auto raw =
      Lines(Inference({"embed", "--model", TinyModel(), "--raw", "--layer", "1"}, kTexts));
  EXPECT_GT(std::abs(length(raw[0]) - 1.0), 1e-3);
}

TEST(ClassifyCommand, ErrorsNameTheLine) {
  const auto fails = [](const std::vector<std::string>& args, const std::string& input, int code,
                        const std::string& text) {
    const Outcome outcome = Inference(args, input);
    EXPECT_EQ(outcome.exit_code, code);
    EXPECT_THAT(outcome.err, HasSubstr(text));
  };
  fails({"classify", "--model", TinyModel()}, "\"a\"\n[1]\n", 1,
        "line 2: a JSON string is wanted, this is array");
  fails({"classify", "--model", TinyModel(), "--logits", "--label", "x"}, "", 2,
        "--logits and --label exclude each other");
  fails({"embed", "--model", TinyModel(), "--layer", "99"}, "\"a\"\n", 1, "layer is 99");
}

}  // namespace
}  // namespace inference::tools_test
