// inference render: messages to the text that a chat template makes of them, a JSON object a line.
#include <memory>

#include "generation.h"

namespace inference::tools {
namespace {

struct Options {
  TokenizerOptions tokenizer;
  std::string chat_template;
};

bool TakeFlag(Json& input, const char* key) {
  const Json value = input.value(key, Json(false));
  if (!value.is_boolean()) {
    throw ApiError(INF_E_ARG, std::string(key) + ": true or false is wanted, found " + Dump(value));
  }
  input.erase(key);
  return value.get<bool>();
}

std::string TakeTemplate(Json& input, const std::string& otherwise) {
  const Json value = input.value("chat_template", Json());
  input.erase("chat_template");
  if (value.is_null()) return otherwise;
  if (!value.is_string()) {
    throw ApiError(INF_E_ARG, "chat_template: a string is wanted, found " + Dump(value));
  }
  return value.get<std::string>();
}

// What belongs to the call is taken out of `input`; the rest are the template's variables.
Json Render(const Tokenizer& tokenizer, const Options& options, Json input) {
  if (!input.is_object() || !input.contains("messages")) {
    throw ApiError(INF_E_ARG, "an object with the key \"messages\" is wanted");
  }
  const std::string messages = Dump(input["messages"]);
  input.erase("messages");
  uint32_t flags = 0;
  if (TakeFlag(input, "add_generation_prompt")) flags |= INF_ADD_GENERATION_PROMPT;
  if (TakeFlag(input, "continue_final_message")) flags |= INF_CONTINUE_FINAL_MESSAGE;
  const std::string chat_template = TakeTemplate(input, options.chat_template);
  const std::string variables = Dump(input);

  Chat chat;
  Call(inf_chat_new, tokenizer.get(), chat.out());
  SetTemplate(chat, chat_template);
  Call(inf_chat_set_variables_json, chat.get(), variables.data(), variables.size());
  Call(inf_chat_add_json, chat.get(), messages.data(), messages.size());
  TextOutput text;
  Call(inf_chat_render, chat.get(), flags, text.out(), nullptr);
  return {{"text", text.view()}};
}

void Run(const Options& options) {
  const Tokenizer tokenizer = LoadTokenizer(options.tokenizer);
  ForEachJsonLine([&](const Json& input) { return Render(tokenizer, options, input); },
                  BlankLines::kFail);
}

}  // namespace

Command AddRender(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("render", "Messages through a chat template, JSON lines");
  AddTokenizerOptions(*app, options->tokenizer);
  AddTemplateOption(*app, options->chat_template);
  app->footer(
      "Reads objects from stdin, one a line: \"messages\", \"add_generation_prompt\" and\n"
      "\"continue_final_message\" (default false), \"chat_template\" (instead of --template);\n"
      "all other keys (\"tools\", ...) become variables of the template. Prints one line for each\n"
      "line: {\"text\": T} or {\"error\": T}.\n\n"
      "Example:\n"
      "  echo "
      "'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' |\n"
      "    inference render --model model.gguf");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
