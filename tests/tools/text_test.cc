// tokenize and render: JSON lines in and out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

std::string Lines(const std::vector<Json>& values) {
  std::string text;
  for (const Json& value : values) text += value.dump() + "\n";
  return text;
}

TEST(Tokenize, GoldenPromptsBothWays) {
  std::vector<Json> texts, ids;
  const Json golden = Golden();
  for (const Json& prompt : golden["prompts"]) {
    texts.push_back(prompt["text"]);
    ids.push_back(prompt["ids"]);
  }
  const Outcome encoded = Inference({"tokenize", "--tokenizer", TinyModel()}, Lines(texts));
  ASSERT_EQ(encoded.exit_code, 0) << encoded.err;
  const std::vector<Json> lines = encoded.lines();
  ASSERT_EQ(lines.size(), texts.size());
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], Json({{"ids", ids[i]}}));

  const Outcome decoded =
      Inference({"tokenize", "--model", TinyModel(), "--decode", "--skip-special"}, Lines(ids));
  ASSERT_EQ(decoded.exit_code, 0) << decoded.err;
  ASSERT_EQ(decoded.lines().size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(decoded.lines()[i], Json({{"text", golden["prompts"][i]["decoded"]}}));
  }
}

TEST(Tokenize, AllOfStdinIsOneText) {
  for (const std::string text : {"a\n\n  b\n\n\n", "\n", "", "\"quoted\"", "na\u00efve\r\n"}) {
    const std::string json = Json(text).dump() + "\n";
    const std::vector<std::string> arguments = {"tokenize", "--tokenizer", TinyModel()};
    std::vector<std::string> with_text = arguments;
    with_text.emplace_back("--text");
    const Outcome outcome = Inference(with_text, text);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.lines(), Inference(arguments, json).lines()) << json;
  }
  EXPECT_NE(Inference({"tokenize", "--tokenizer", TinyModel(), "--text", "--decode"}, "").exit_code,
            0);
}

TEST(Tokenize, NeedsNoWeights) {
  const TempDir folder;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy(TinyModel() + "/" + name, folder.path() + "/" + name);
  }
  const Outcome outcome = Inference({"tokenize", "--tokenizer", folder.path()}, "\"The\"\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.lines(), Inference({"tokenize", "--model", TinyModel()}, "\"The\"\n").lines());
}

TEST(Tokenize, SpecialTokens) {
  const std::string input = "\"<|eot_id|>\"\n";
  const auto ids = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"tokenize", "--tokenizer", TinyModel()});
    return Inference(flags, input).lines().at(0)["ids"];
  };
  EXPECT_EQ(ids({}), Json({480, 484}));
  EXPECT_EQ(ids({"--no-special"}), Json::array({484}));
  EXPECT_GT(ids({"--no-special", "--no-parse-special"}).size(), 1u);
}

TEST(Tokenize, ALineThatDoesNotFitIsAnErrorOfItsOwn) {
  const Outcome outcome = Inference({"tokenize", "--tokenizer", TinyModel()}, "{\n5\n\n\"The\"\n");
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0]["error"].get<std::string>(), HasSubstr("line 1: not valid JSON"));
  EXPECT_EQ(lines[1]["error"], "a JSON string is wanted, this is number");
  EXPECT_TRUE(lines[2].contains("ids"));
}

TEST(Tokenize, DecodeRefusesWhatIsNoId) {
  const Outcome outcome = Inference({"tokenize", "--tokenizer", TinyModel(), "--decode"},
                                    "[1,\"a\"]\n[99999]\n7\n[1e3]\n[]\n");
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0]["error"], "entry 1 is not a token id: \"a\"");
  EXPECT_THAT(lines[1]["error"].get<std::string>(), HasSubstr("99999"));
  EXPECT_EQ(lines[2]["error"], "an array of ids is wanted, this is number");
  EXPECT_EQ(lines[3]["error"], "entry 0 is not a token id: 1000.0");
  EXPECT_EQ(lines[4], Json({{"text", ""}}));
}

TEST(Tokenize, TextStaysRawUtf8) {
  const Outcome ids =
      Inference({"tokenize", "--tokenizer", TinyModel(), "--no-special"}, "\"na\u00efve\"\n");
  const Outcome text = Inference({"tokenize", "--tokenizer", TinyModel(), "--decode"},
                                 ids.lines().at(0)["ids"].dump() + "\n");
  EXPECT_EQ(text.out, "{\"text\":\"na\u00efve\"}\n");
}

TEST(Tokenize, NestingHasALimit) {
  const Outcome outcome =
      Inference({"tokenize", "--tokenizer", TinyModel()}, std::string(200000, '[') + "\n\"The\"\n");
  EXPECT_EQ(outcome.exit_code, 0);
  ASSERT_EQ(outcome.lines().size(), 2u);
  EXPECT_THAT(outcome.lines()[0]["error"].get<std::string>(), HasSubstr("deeper than 512"));
}

TEST(Render, GoldenChats) {
  std::vector<Json> inputs, texts;
  const Json golden = Golden();
  for (const Json& chat : golden["chats"]) {
    inputs.push_back({{"messages", chat["messages"]}, {"add_generation_prompt", true}});
    texts.push_back({{"text", chat["text"]}});
  }
  const Outcome outcome = Inference({"render", "--tokenizer", TinyModel()}, Lines(inputs));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.lines(), texts);
}

TEST(Render, GenerationPromptIsOffByDefault) {
  const Json messages = {{{"role", "user"}, {"content", "Hi"}}};
  const Outcome outcome = Inference(
      {"render", "--tokenizer", TinyModel()},
      Lines({{{"messages", messages}}, {{"messages", messages}, {"add_generation_prompt", true}}}));
  const std::string without = outcome.lines().at(0)["text"], with = outcome.lines().at(1)["text"];
  EXPECT_TRUE(with.starts_with(without));
  EXPECT_GT(with.size(), without.size());
}

TEST(Render, OtherKeysAreVariablesOfTheTemplate) {
  const Outcome outcome = Inference(
      {"render", "--tokenizer", TinyModel(), "--template", "{{ word }}{{ messages | length }}"},
      "{\"messages\": [], \"word\": \"\u00e9t\u00e9\"}\n");
  EXPECT_EQ(outcome.out, "{\"text\":\"\u00e9t\u00e90\"}\n");
}

TEST(Render, EachLineMayNameItsTemplate) {
  const Json messages = {{{"role", "user"}, {"content", "Hi"}}};
  const Outcome outcome = Inference(
      {"render", "--tokenizer", TinyModel(), "--template", "plain"},
      Lines({{{"messages", messages}},
             {{"messages", messages}, {"chat_template", "{{ messages[0].content | upper }}"}},
             {{"messages", messages}, {"chat_template", nullptr}},
             {{"messages", messages}, {"chat_template", "chatlm"}},
             {{"messages", messages}, {"chat_template", 5}}}));
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 5u) << outcome.err;
  EXPECT_EQ(lines[0]["text"], "Hi");
  EXPECT_EQ(lines[1]["text"], "HI");
  EXPECT_EQ(lines[2]["text"], "Hi");
  EXPECT_THAT(lines[3]["error"].get<std::string>(), HasSubstr("is called 'chatlm'"));
  EXPECT_EQ(lines[4]["error"], "chat_template: a string is wanted, found 5");
}

TEST(Render, ContinuesTheLastMessage) {
  const Json messages = {{{"role", "assistant"}, {"content", "To be"}}};
  const Json input = {{"messages", messages}, {"continue_final_message", true}};
  Json both = input;
  both["add_generation_prompt"] = true;
  const Outcome outcome = Inference({"render", "--tokenizer", TinyModel(), "--template", "chatml"},
                                    Lines({input, both}));
  EXPECT_EQ(outcome.lines().at(0)["text"], "<|im_start|>assistant\nTo be");
  EXPECT_THAT(outcome.lines().at(1)["error"].get<std::string>(),
              HasSubstr("excludes add_generation_prompt"));
}

TEST(Render, ABlankLineHasItsLine) {
  const Outcome outcome =
      Inference({"render", "--tokenizer", TinyModel(), "--template", "plain"},
                "\n{\"messages\": [{\"role\": \"user\", \"content\": \"a\\n\\n\\nb\\n\"}]}\n  \n");
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0]["error"].get<std::string>(), HasSubstr("line 1: not valid JSON"));
  EXPECT_EQ(lines[1]["text"], "a\n\n\nb\n");
  EXPECT_THAT(lines[2]["error"].get<std::string>(), HasSubstr("line 3: not valid JSON"));
}

// Nothing but what the tokenizer and the template need.
TEST(Render, AFolderOfTokenizerFilesIsEnough) {
  const TempDir folder;
  std::filesystem::copy(TinyModel() + "/tokenizer.json", folder.path() + "/tokenizer.json");
  const std::string input = Lines({{{"messages", {{{"role", "user"}, {"content", "Hi"}}}}}});
  const auto render = [&] { return Inference({"render", "--tokenizer", folder.path()}, input); };
  EXPECT_THAT(render().lines().at(0)["error"].get<std::string>(),
              HasSubstr("the checkpoint has no chat template"));
  folder.Write("chat_template.jinja", "a\n\n{{ messages[0].content }}\n\n");
  EXPECT_EQ(render().lines().at(0)["text"], "a\n\nHi\n");
}

TEST(Render, ErrorsAreLines) {
  const Outcome outcome =
      Inference({"render", "--tokenizer", TinyModel(), "--template", "{{ raise_exception('no') }}"},
                "[]\n{\"messages\": [], \"add_generation_prompt\": 1}\n{\"messages\": []}\n");
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["error"], "an object with the key \"messages\" is wanted");
  EXPECT_EQ(lines[1]["error"], "add_generation_prompt: true or false is wanted, found 1");
  EXPECT_THAT(lines[2]["error"].get<std::string>(), HasSubstr("no"));
}

}  // namespace
}  // namespace inference::tools_test
