// --overflow: texts and conversations that are longer than the context.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

// Two tokens of prompt, greedily continued.
Outcome Generate(const std::string& ids, int max_tokens, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"generate",
                                        "--model",
                                        TinyModel(),
                                        "--ids",
                                        ids,
                                        "--max-tokens",
                                        std::to_string(max_tokens),
                                        "--ignore-eos",
                                        "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Inference(arguments);
}

Json IdsOf(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  Json ids = Json::array();
  for (const Json& line : outcome.lines()) {
    if (line.contains("token_id")) ids.push_back(line["token_id"]);
  }
  return ids;
}

TEST(Overflow, ATextSlides) {
  const Outcome full = Generate("480,350", 60, {"--n-ctx", "16"});
  EXPECT_EQ(full.last()["finish"], "context_full");
  EXPECT_FALSE(full.last()["metrics"].contains("overflows"));
  const Json first = IdsOf(full);  // the last of them is not in the context
  EXPECT_EQ(first.size(), 15u);

  const Outcome outcome = Generate("480,350", 60, {"--n-ctx", "16", "--overflow", "slide"});
  const Json ids = IdsOf(outcome);
  ASSERT_EQ(ids.size(), 60u) << outcome.err;
  EXPECT_EQ(outcome.last()["finish"], "length");
  // 17 tokens become 8, before token 16 and then every nine.
  EXPECT_EQ(outcome.last()["metrics"]["overflows"], 5);
  EXPECT_EQ(outcome.last()["metrics"]["dropped_tokens"], 45);
  EXPECT_EQ(Json(ids.begin(), ids.begin() + 15), first);
  const Json kept(ids.begin() + 7, ids.begin() + 15);
  EXPECT_EQ(IdsOf(Generate(IdList(kept), 9, {})), Json(ids.begin() + 15, ids.begin() + 24));
}

TEST(Overflow, ATextKeepsItsHead) {
  const std::vector<std::string> keep = {"--n-ctx", "16", "--overflow", "keep-head:2"};
  const Json ids = IdsOf(Generate("480,350", 23, keep));
  ASSERT_EQ(ids.size(), 23u);
  Json kept = {480, 350};
  kept.insert(kept.end(), ids.begin() + 8, ids.begin() + 15);
  EXPECT_EQ(IdsOf(Generate(IdList(kept), 8, {})), Json(ids.begin() + 15, ids.begin() + 23));
}

TEST(Overflow, AConversationGoesOn) {
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += "Tell me more about that.\n";
  const auto chat = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"chat",    "--model", TinyModel(),
                                          "--n-ctx", "128",     "--max-tokens",
                                          "10",      "--json",  "--ignore-eos"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Inference(arguments, lines);
  };
  const Outcome ends = chat({});
  EXPECT_EQ(ends.exit_code, 1);
  EXPECT_THAT(ends.err, HasSubstr("CONTEXT_FULL"));
  const Outcome goes_on = chat({"--overflow", "keep-head:4"});
  EXPECT_EQ(goes_on.exit_code, 0) << goes_on.err;
  ASSERT_EQ(goes_on.lines().size(), 8u);
  EXPECT_FALSE(goes_on.lines()[0]["metrics"].contains("overflows"));
  EXPECT_GT(goes_on.last()["metrics"]["overflows"], 0);
  EXPECT_EQ(goes_on.last()["finish"], "length");
}

TEST(Overflow, LinesOfABatchSayTheirOwn) {
  const auto line = [](Json fields) {
    fields["prompt"] = "The quick brown fox";
    fields["max_tokens"] = 40;
    return fields.dump() + "\n";
  };
  const Outcome outcome = Inference(
      {"batch", "--model", TinyModel(), "--n-ctx", "16", "--ignore-eos", "--overflow", "slide"},
      line(Json::object()) + line({{"overflow", "error"}}) + line({{"overflow", "keep-head:3"}}) +
          line({{"overflow", "keep-head"}, {"keep_head", 3}}) + line({{"keep_head", 3}}) +
          line({{"keep_head", 15}}) + line({{"overflow", "slide"}, {"keep_head", 3}}) +
          line({{"overflow", "keep-head"}}) + line({{"overflow", 3}}) + line({{"keep_head", -1}}) +
          line({{"keep_head", 3.0}}) + line({{"overflow", nullptr}, {"keep_head", nullptr}}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_EQ(lines[0]["finish"], "length");
  EXPECT_GT(lines[0]["metrics"]["overflows"], 1);
  EXPECT_GT(lines[0]["metrics"]["dropped_tokens"], 16);
  EXPECT_EQ(lines[1]["finish"], "context_full");
  EXPECT_FALSE(lines[1]["metrics"].contains("dropped_tokens"));
  EXPECT_EQ(lines[2]["finish"], "length");
  EXPECT_NE(lines[2]["metrics"]["dropped_tokens"], lines[0]["metrics"]["dropped_tokens"]);
  for (const size_t same : {3, 4, 10}) {
    EXPECT_EQ(lines[same]["text"], lines[2]["text"]);
    EXPECT_EQ(lines[same]["metrics"]["dropped_tokens"], lines[2]["metrics"]["dropped_tokens"]);
  }
  EXPECT_EQ(lines[11]["text"], lines[0]["text"]);  // null is no field
  const auto error = [&](size_t i) { return lines[i]["error"].get<std::string>(); };
  EXPECT_THAT(error(5), HasSubstr("the head is 15 tokens, want 0..14"));
  EXPECT_EQ(error(6), "keep_head: wants the overflow keep-head, this is slide");
  EXPECT_THAT(error(7), HasSubstr("overflow: is 'keep-head', wanted error, slide or keep-head:N"));
  EXPECT_EQ(error(8), "overflow: is 3, want a string");
  EXPECT_EQ(error(9), "keep_head: is -1, want a whole number of 1 or more");
}

TEST(Overflow, WhatIsNoPolicyIsRefused) {
  for (const std::string command : {"generate", "chat", "batch"}) {
    for (const std::string policy :
         {"", "Slide", "keep-head", "keep-head:", "keep-head:0", "keep-head:-1", "keep-head:2x",
          "keep-head:99999999999999999999"}) {
      const Outcome outcome = Inference({command, "--model", TinyModel(), "--overflow", policy});
      EXPECT_EQ(outcome.exit_code, 2) << command << " " << policy;
      EXPECT_THAT(outcome.err,
                  HasSubstr("is '" + policy + "', wanted error, slide or keep-head:N"));
    }
    EXPECT_THAT(Inference({command, "--help"}).out, HasSubstr("--overflow POLICY"));
  }
}

}  // namespace
}  // namespace inference::tools_test
