// Commands for inference-bridge, and what it answers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tools/program.h"

namespace inference::tools_test {

inline std::string Lines(const std::vector<Json>& commands) {
  std::string text;
  for (const Json& command : commands) text += command.dump() + "\n";
  return text;
}

inline Json LoadCommand(const std::string& path = TinyModel()) {
  return {{"cmd", "load"}, {"path", path}};
}

// A command on a prompt with a long greedy continuation, and more fields.
inline Json GenerateCommand(int max_tokens, const Json& fields = Json::object()) {
  Json command{{"cmd", "generate"}, {"prompt", "The quick brown fox"}, {"max_tokens", max_tokens}};
  command.update(fields);
  return command;
}

// What the bridge answers to commands after a load, whose answer is left out.
inline std::vector<Json> Answers(std::vector<Json> commands) {
  commands.insert(commands.begin(), LoadCommand());
  const Outcome outcome = Bridge({"--finish"}, Lines(commands));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  std::vector<Json> lines = outcome.lines();
  if (!lines.empty()) {
    EXPECT_EQ(lines[0].value("ok", false), true) << lines[0];
    lines.erase(lines.begin());
  }
  return lines;
}

inline Json Answer(const Json& command) {
  const std::vector<Json> lines = Answers({command});
  EXPECT_EQ(lines.size(), 1u);
  return lines.empty() ? Json() : lines.back();
}

// {"token", "token_id"} of the lines that have them; of prompt `index`, where several are run.
inline std::vector<Json> TokensOf(const std::vector<Json>& lines, int index = -1) {
  std::vector<Json> tokens;
  for (const Json& line : lines) {
    if (!line.contains("token") || (index >= 0 && line["index"] != index)) continue;
    tokens.push_back({{"token", line["token"]}, {"token_id", line["token_id"]}});
  }
  return tokens;
}

inline std::string TextOf(const std::vector<Json>& lines) {
  std::string text;
  for (const Json& token : TokensOf(lines)) text += token["token"].get<std::string>();
  return text;
}

inline Json IdsOf(const std::vector<Json>& lines) {
  Json ids = Json::array();
  for (const Json& token : TokensOf(lines)) ids.push_back(token["token_id"]);
  return ids;
}

// The same request through the program `inference`.
inline std::vector<Json> Generated(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"generate", "--model", TinyModel(), "--json"});
  return TokensOf(Inference(arguments).lines());
}

}  // namespace inference::tools_test
