// score, rolling, next: a JSON value a line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

void ExpectNear(const Json& got, const Json& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].get<double>(), want[i].get<double>(), 1e-4) << i;
  }
}

TEST(ScoreCommand, CompletionsAsInTheGoldenFile) {
  const Json golden = Golden();
  std::string input;
  for (const Json& entry : golden["score"]) {
    input += Json({{"prompt", entry["prompt"]}, {"completion", entry["completion"]}}).dump() + "\n";
  }
  const auto lines = Lines(Inference({"score", "--model", TinyModel()}, input));
  ASSERT_EQ(lines.size(), golden["score"].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& want = golden["score"][i];
    EXPECT_EQ(lines[i]["token_ids"], want["ids"]);
    ExpectNear(lines[i]["logprobs"], want["logprobs"]);
    EXPECT_EQ(lines[i]["is_greedy"], want["is_greedy"]);
    double total = 0.0;
    for (const Json& logprob : lines[i]["logprobs"]) total += logprob.get<double>();
    EXPECT_NEAR(lines[i]["total"].get<double>(), total, 1e-4);
  }
}

TEST(RollingCommand, TextsAsInTheGoldenFileAndInWindows) {
  const Json golden = Golden();
  std::string input;
  for (const Json& entry : golden["rolling"]) input += entry["text"].dump() + "\n";
  const auto lines = Lines(Inference({"rolling", "--model", TinyModel()}, input));
  ASSERT_EQ(lines.size(), golden["rolling"].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["token_ids"], golden["rolling"][i]["ids"]);
    ExpectNear(lines[i]["logprobs"], golden["rolling"][i]["logprobs"]);
  }
  const auto windows = Lines(
      Inference({"rolling", "--model", TinyModel(), "--window", "6", "--overlap", "2"}, input));
  EXPECT_EQ(windows[1]["logprobs"].size(), lines[1]["logprobs"].size());
  EXPECT_NE(windows[1]["logprobs"], lines[1]["logprobs"]);
}

TEST(NextCommand, TheLikeliestAsInTheGoldenFile) {
  const Json golden = Golden();
  std::string input;
  for (const Json& entry : golden["next_token"]) input += entry["prompt"].dump() + "\n";
  const auto lines = Lines(Inference({"next", "--model", TinyModel(), "--top-k", "16"}, input));
  ASSERT_EQ(lines.size(), golden["next_token"].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& want = golden["next_token"][i];
    EXPECT_EQ(lines[i]["ids"], want["ids"]);
    ExpectNear(lines[i]["logprobs"], want["logprobs"]);
    EXPECT_NEAR(lines[i]["tail_logprob"].get<double>(), want["tail_logprob"].get<double>(), 1e-4);
  }
  const auto all = Lines(Inference({"next", "--model", TinyModel(), "--top-k", "100000"}, "\"a\""));
  EXPECT_TRUE(all[0]["tail_logprob"].is_null());
}

TEST(ScoreCommand, SaysWhatIsWrongWithALine) {
  const auto fails = [](const std::vector<std::string>& arguments, const std::string& input,
                        const std::string& message) {
    const auto lines = Lines(Inference(arguments, input));
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_THAT(lines[0]["error"].get<std::string>(), HasSubstr(message));
  };
  fails({"score", "--model", TinyModel()}, "{\"prompt\": \"a\"}\n",
        "an object with prompt and completion is wanted");
  fails({"score", "--model", TinyModel()}, "{\"prompt\": \"a\", \"completion\": 3}\n",
        "completion: a JSON string is wanted, this is number");
  fails({"score", "--model", TinyModel()}, "{\"prompt\": \"a\", \"completion\": \"\"}\n",
        "completion: adds no token");
  fails({"rolling", "--model", TinyModel()}, "[1]\n", "a JSON string is wanted, this is array");
  fails({"rolling", "--model", TinyModel(), "--window", "4", "--overlap", "4"}, "\"a b c d e\"\n",
        "overlap is 4 tokens, want 1..3");
}

}  // namespace
}  // namespace inference::tools_test
