// inference-bridge: each command of the JSON Lines protocol, and mistakes.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tools/bridge_lines.h"

namespace inference::tools_test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

const char kAdapter[] = INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/adapter-peft";

std::string ErrorOf(const Json& answer) { return answer.value("error", ""); }

TEST(Bridge, LoadAndInfoTellTheModel) {
  const std::vector<Json> lines =
      Bridge({"--finish"}, Lines({LoadCommand(), {{"cmd", "info"}}, {{"cmd", "quit"}}})).lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0], Json({{"ok", true}, {"model_type", "llama"}, {"vocab_size", 512}}));
  EXPECT_EQ(lines[1], Json({{"model_type", "llama"},
                            {"vocab_size", 512},
                            {"layers", 3},
                            {"hidden_size", 128},
                            {"quant_bits", 0},
                            {"quant_group", 0},
                            {"context_length", 512}}));
}

TEST(Bridge, GenerateGivesTheGoldenIds) {
  const Json golden = Golden()["generate"][0];
  const std::vector<Json> lines =
      Answers({GenerateCommand(40, {{"prompt", golden["prompt"]}}), GenerateCommand(3)});
  ASSERT_THAT(lines, SizeIs(45));
  EXPECT_EQ(IdsOf({lines.begin(), lines.begin() + 41}), golden["ids"]);
  EXPECT_EQ(lines[40]["done"], true);
  EXPECT_EQ(lines[40]["tokens_generated"], 40);
  EXPECT_EQ(lines[40]["finish"], "length");
  EXPECT_EQ(lines[44]["tokens_generated"], 3);
}

TEST(Bridge, SampledTokensAreThoseOfTheProgramForTheSameSeed) {
  const Json fields = {{"temperature", 0.9}, {"top_k", 50.0}, {"top_p", 0.95}, {"seed", 7}};
  Json large = fields, other = fields;
  large["seed"] = UINT64_MAX;
  other["seed"] = 8;
  const auto run = [](const Json& more) { return IdsOf(Answers({GenerateCommand(12, more)})); };
  const Json drawn = run(fields);
  EXPECT_EQ(drawn, run(fields));
  EXPECT_NE(drawn, run(other));
  const auto program = [](const std::string& seed) {
    return IdsOf(Generated({"--prompt", "The quick brown fox", "--max-tokens", "12", "--seed", seed,
                            "--temperature", "0.9", "--top-k", "50", "--top-p", "0.95"}));
  };
  EXPECT_EQ(drawn, program("7"));
  EXPECT_EQ(run(large), program("18446744073709551615"));
}

TEST(Bridge, ChatTakesTheTemplateOrAnother) {
  const Json chat = Golden()["chats"][0];
  const Json command{{"cmd", "chat"}, {"messages", chat["messages"]}, {"max_tokens", 4}};
  Json chatml = command;
  chatml["template"] = "chatml";
  const std::vector<Json> lines = Answers({command, chatml});
  ASSERT_THAT(lines, SizeIs(10));
  EXPECT_EQ(TokensOf({lines.begin(), lines.begin() + 4}),
            Generated({"--ids", IdList(chat["ids"]), "--max-tokens", "4"}));
  EXPECT_NE(TokensOf({lines.begin() + 5, lines.end()}),
            TokensOf({lines.begin(), lines.begin() + 4}));
}

TEST(Bridge, TextIsWholeCharacters) {
  // Bytes of characters that are never completed are among these tokens; a line that is not UTF-8
  // would not have been parsed.
  for (const int n : {1, 5, 6, 12, 40}) {
    std::string text;
    for (const Json& token :
         Generated({"--prompt", "The quick brown fox", "--max-tokens", std::to_string(n)})) {
      text += token["token"].get<std::string>();
    }
    const std::vector<Json> lines = Answers({GenerateCommand(n)});
    EXPECT_EQ(TextOf(lines), text) << n;
    EXPECT_THAT(lines, SizeIs(n + 1));
  }
}

TEST(Bridge, EndsBeforeStops) {
  const std::string text = TextOf(Answers({GenerateCommand(20)}));
  const std::string stop = text.substr(text.find("3", 4), 2);
  std::vector<Json> lines = Answers({GenerateCommand(20, {{"stop", {"nowhere", stop}}})});
  EXPECT_EQ(TextOf(lines), text.substr(0, text.find(stop)));
  EXPECT_EQ(lines.back()["finish"], "stop_string");
  EXPECT_EQ(lines.back()["tokens_generated"], lines.size() - 1);
  lines = Answers({GenerateCommand(20, {{"stop_tokens", {442}}})});
  EXPECT_EQ(IdsOf(lines), Json({16, 199}));
  EXPECT_EQ(lines.back()["finish"], "stop_token");
}

TEST(Bridge, AdaptersOfALoadAndOfARequest) {
  const Json twice = Json::array({{{"path", kAdapter}, {"scale", 2}}});
  const std::string text = std::string(kAdapter) + ":2";
  Json load = LoadCommand();
  load["adapters"] = twice;
  const Outcome outcome = Bridge(
      {"--finish"}, Lines({LoadCommand(), GenerateCommand(6, {{"adapters", twice}}),
                           GenerateCommand(6, {{"adapter", text}}), GenerateCommand(6), load,
                           GenerateCommand(6), GenerateCommand(6, {{"adapters", Json::array()}}),
                           GenerateCommand(6, {{"adapter", "/no/adapter"}}), GenerateCommand(6)}));
  std::vector<Json> ids;
  std::vector<Json> lines;
  for (const Json& line : outcome.lines()) {
    if (line.contains("token")) lines.push_back(line);
    if (line.contains("done")) ids.push_back(IdsOf(std::exchange(lines, {})));
  }
  const Json under =
      IdsOf(Generated({"--prompt", "The quick brown fox", "--max-tokens", "6", "--adapter", text}));
  const Json base = IdsOf(Generated({"--prompt", "The quick brown fox", "--max-tokens", "6"}));
  EXPECT_NE(under, base);
  EXPECT_EQ(ids, (std::vector<Json>{under, under, base, under, base, under}));
  EXPECT_THAT(outcome.out, HasSubstr("{\"error\":\"generate: /no/adapter"));
}

TEST(Bridge, ManyPromptsAreEachAlone) {
  const Json prompts = {"Once", "Twice upon", std::string(4000, 'x')};
  const std::vector<Json> lines =
      Answers({{{"cmd", "batch_generate"}, {"prompts", prompts}, {"max_tokens", 5}}});
  for (const int i : {0, 1}) {
    EXPECT_EQ(TokensOf(lines, i), Generated({"--prompt", prompts[i], "--max-tokens", "5"}));
  }
  EXPECT_THAT(TokensOf(lines, 2), SizeIs(0));
  size_t failures = 0;
  for (const Json& line : lines) {
    if (!line.contains("failure")) continue;
    ++failures;
    EXPECT_EQ(line["index"], 2);
    EXPECT_THAT(line["failure"].get<std::string>(), HasSubstr("512"));
  }
  EXPECT_EQ(failures, 1u);
  EXPECT_EQ(lines.back(), Json({{"done", true}, {"tokens_generated", 10}}));
}

TEST(Bridge, ClassesOfManyPrompts) {
  const Json prompts = {"Once", std::string(4000, 'x'), "Twice upon"};
  std::vector<Json> lines = Answers({{{"cmd", "classify"}, {"prompts", prompts}}});
  ASSERT_THAT(lines, SizeIs(4));
  for (const int i : {0, 2}) {  // the likeliest next token is what generating one gives
    EXPECT_EQ(lines[i]["index"], i);
    EXPECT_EQ(lines[i]["token_id"],
              Generated({"--prompt", prompts[i], "--max-tokens", "1"})[0]["token_id"]);
  }
  EXPECT_THAT(lines[1].value("failure", ""), HasSubstr("512"));
  EXPECT_EQ(lines[3], Json({{"done", true}, {"count", 3}}));
  lines = Answers({{{"cmd", "classify"}, {"prompts", {"Once"}}, {"labels", {" a", " b"}}}});
  ASSERT_THAT(lines, SizeIs(2));
  const Json program =
      Inference({"classify", "--model", TinyModel(), "--label", " a", "--label", " b"},
                "\"Once\"\n")
          .last();
  EXPECT_EQ(lines[0]["label"], program["index"]);
  EXPECT_EQ(lines[0]["text"], program["label"]);
  EXPECT_EQ(lines[0]["logprobs"], program["logprobs"]);
}

TEST(Bridge, WithoutAModelOnlyLoadHelps) {
  const std::vector<Json> lines =
      Bridge({"--finish"}, Lines({{{"cmd", "generate"}, {"prompt", "x"}},
                                  {{"cmd", "chat"}, {"messages", {}}},
                                  {{"cmd", "info"}},
                                  {{"cmd", "classify"}},
                                  {{"cmd", "batch_generate"}},
                                  {{"cmd", "load"}},
                                  LoadCommand("/no/such/model")}))
          .lines();
  ASSERT_THAT(lines, SizeIs(7));
  EXPECT_EQ(ErrorOf(lines[0]), "generate: no model loaded");
  EXPECT_EQ(ErrorOf(lines[1]), "chat: no model loaded");
  EXPECT_EQ(ErrorOf(lines[2]), "info: no model loaded");
  EXPECT_EQ(ErrorOf(lines[3]), "classify: no model loaded");
  EXPECT_EQ(ErrorOf(lines[4]), "batch_generate: no model loaded");
  EXPECT_EQ(ErrorOf(lines[5]), "load: missing 'path'");
  EXPECT_THAT(ErrorOf(lines[6]), StartsWith("load: /no/such/model"));
}

TEST(Bridge, LinesThatAreNoCommand) {
  const std::string text =
      Lines({{{"cmd", "dance"}}, Json::object(), {{"cmd", 7}}, Json::array()}) +
      "\n  \n{\"cmd\": \n{\"cmd\":\"\xff\"}\nhello\n" +
      Lines({{{"cmd", std::string(size_t{3} << 20, 'x')}}}) + std::string(size_t{65} << 20, 'x') +
      "\n{\"cmd\": \"info\"}";
  const Outcome outcome = Bridge({}, text);
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<Json> lines = outcome.lines();
  ASSERT_THAT(lines, SizeIs(10));
  EXPECT_EQ(ErrorOf(lines[0]), "unknown command: dance");
  EXPECT_EQ(ErrorOf(lines[1]), "unknown command: ");
  EXPECT_EQ(ErrorOf(lines[2]), "unknown command: 7");
  EXPECT_EQ(ErrorOf(lines[3]), "parse error: line: is array, want an object");
  for (size_t i = 4; i < 7; ++i) {
    EXPECT_THAT(ErrorOf(lines[i]), StartsWith("parse error: line: not valid JSON: ")) << i;
  }
  EXPECT_THAT(ErrorOf(lines[7]), StartsWith("unknown command: xxx"));
  EXPECT_THAT(ErrorOf(lines[7]), EndsWith("x ..."));
  EXPECT_THAT(ErrorOf(lines[7]), SizeIs(4004));
  EXPECT_EQ(ErrorOf(lines[8]),
            "parse error: line: has more than 67108864 bytes, want at most as many");
  EXPECT_EQ(ErrorOf(lines[9]), "info: no model loaded");
}

TEST(Bridge, ALineOfMoreThanAMebibyteIsAnswered) {
  const Json answer = Answer(GenerateCommand(1, {{"prompt", std::string(size_t{2} << 20, 'x')}}));
  EXPECT_THAT(ErrorOf(answer), StartsWith("generate: "));
  EXPECT_THAT(ErrorOf(answer), HasSubstr("512"));  // tokens that a session has room for
}

TEST(Bridge, FieldsOfTheWrongType) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"cmd", "generate"}}, "generate: prompt: is missing, want a string"},
      {GenerateCommand(1, {{"prompt", 7}}), "generate: prompt: is 7, want a string"},
      {GenerateCommand(1, {{"top_k", "many"}}),
       "generate: top_k: is \"many\", want a whole number"},
      {GenerateCommand(1, {{"top_k", 1.5}}), "generate: top_k: is 1.5, want a whole number"},
      {GenerateCommand(1, {{"temperature", "hot"}}),
       "generate: temperature: is \"hot\", want a number"},
      {GenerateCommand(1, {{"seed", -1}}),
       "generate: seed: is -1, want a whole number from 0 to 2^64 - 1"},
      {GenerateCommand(1, {{"stop", {"a", 1}}}), "generate: stop: is 1, want a string"},
      {GenerateCommand(1, {{"stop_tokens", 5}}),
       "generate: stop_tokens: is 5, want a list of token ids"},
      {GenerateCommand(1, {{"adapters", "x"}}),
       "generate: adapters: is \"x\", want a list of {\"path\", \"scale\"}"},
      {GenerateCommand(1, {{"adapters", {{{"scale", 1}}}}}),
       "generate: path: is missing, want a string"},
      {{{"cmd", "chat"}}, "chat: messages: a list of {\"role\", \"content\"} is wanted"},
      {{{"cmd", "chat"}, {"messages", "Hello"}},
       "chat: messages: a list of {\"role\", \"content\"} is wanted"},
      {{{"cmd", "chat"}, {"messages", {1}}},
       "chat: messages: an entry is 1, want {\"role\", \"content\"}"},
      {{{"cmd", "classify"}}, "classify: prompts: is missing, want a list of strings"},
      {{{"cmd", "batch_generate"}, {"prompts", {1}}},
       "batch_generate: prompts: is 1, want a string"},
      {{{"cmd", "load"}, {"path", 7}}, "load: path: is 7, want a string"},
      {{{"cmd", "load"}, {"path", TinyModel()}, {"gpu_layers", 2}},
       "load: gpu_layers: is 2 of 3, want all (-1) or none (0): a model runs on one device"}};
  std::vector<Json> commands;
  for (const auto& [command, error] : cases) commands.push_back(command);
  commands.push_back(GenerateCommand(1));
  const std::vector<Json> lines = Answers(commands);
  ASSERT_THAT(lines, SizeIs(cases.size() + 2));
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(ErrorOf(lines[i]), cases[i].second);
  EXPECT_EQ(lines.back()["tokens_generated"], 1);  // the model is there after all of that
}

TEST(Bridge, NoTokensAreAskedFor) {
  const std::vector<Json> lines = Answers({GenerateCommand(0), GenerateCommand(-1)});
  ASSERT_THAT(lines, SizeIs(2));
  for (const Json& line : lines) EXPECT_EQ(line["tokens_generated"], 0);
}

TEST(Bridge, ASecondLoadReplacesTheModelAndOneThatFailsDoesNot) {
  const std::string other = INFERENCE_TEST_DATA "/golden/tiny/qwen3-qknorm/model";
  Json narrow = LoadCommand(other);
  narrow["context_len"] = 8;
  narrow["max_tokens"] = 100;
  const std::vector<Json> lines = Answers({LoadCommand("/no/such/model"),
                                           {{"cmd", "info"}},
                                           narrow,
                                           {{"cmd", "info"}},
                                           {{"cmd", "classify"}, {"prompts", {"a"}}}});
  ASSERT_THAT(lines, SizeIs(6));
  EXPECT_THAT(ErrorOf(lines[0]), StartsWith("load: /no/such/model"));
  EXPECT_EQ(lines[1]["model_type"], "llama");
  EXPECT_EQ(lines[2]["model_type"], "qwen3");
  EXPECT_EQ(lines[3]["model_type"], "qwen3");
  EXPECT_EQ(lines[3]["context_length"], 8);
}

}  // namespace
}  // namespace inference::tools_test
