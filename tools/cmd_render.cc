// inference render: messages to the text that a chat template makes of them, a JSON object a line.
#include <memory>

#include "generation.h"

namespace inference::tools {
namespace {

struct Options {
  TokenizerOptions tokenizer;
  std::string chat_template;
};

// What belongs to the call is taken out of `input`; the rest are the template's variables.
Json Render(const Tokenizer& tokenizer, const Options& options, Json input) {
  if (!input.is_object() || !input.contains("messages")) {
    throw ApiError(INF_E_ARG, "an object with the key \"messages\" is wanted");
  }
  const std::string messages = Dump(input["messages"]);
  const Json prompt_flag = input.value("add_generation_prompt", Json(false));
  if (!prompt_flag.is_boolean()) {
    throw ApiError(INF_E_ARG,
                   "add_generation_prompt: true or false is wanted, found " + Dump(prompt_flag));
  }
  input.erase("messages");
  input.erase("add_generation_prompt");
  const std::string variables = Dump(input);

  Chat chat;
  Call(inf_chat_new, tokenizer.get(), chat.out());
  SetTemplate(chat, options.chat_template);
  Call(inf_chat_set_variables_json, chat.get(), variables.data(), variables.size());
  Call(inf_chat_add_json, chat.get(), messages.data(), messages.size());
  const uint32_t flags = prompt_flag.get<bool>() ? INF_ADD_GENERATION_PROMPT : 0;
  TextOutput text;
  Call(inf_chat_render, chat.get(), flags, text.out(), nullptr);
  return {{"text", text.view()}};
}

void Run(const Options& options) {
  const Tokenizer tokenizer = LoadTokenizer(options.tokenizer);
  ForEachJsonLine([&](const Json& input) { return Render(tokenizer, options, input); });
}

}  // namespace

Command AddRender(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("render", "Messages through a chat template, JSON lines");
  AddTokenizerOptions(*app, options->tokenizer);
  AddTemplateOption(*app, options->chat_template);
  app->footer(
      "Reads objects from stdin, one a line: \"messages\", \"add_generation_prompt\" (default "
      "false);\n"
      "all other keys (\"tools\", ...) become variables of the template. Prints {\"text\": T} for "
      "each,\n"
      "or {\"error\": T}.\n\n"
      "Example:\n"
      "  echo "
      "'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' |\n"
      "    inference render --model model.gguf");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
