// inference tokenize: text to ids and back, a JSON value a line.
#include <iostream>
#include <iterator>
#include <memory>

#include "generation.h"

namespace inference::tools {
namespace {

struct Options {
  TokenizerOptions tokenizer;
  bool text = false, decode = false, no_special = false, no_parse_special = false,
       skip_special = false;
};

Json Encode(const Tokenizer& tokenizer, std::string_view text, uint32_t flags) {
  TokensOutput ids;
  Call(inf_tokenize, tokenizer.get(), text.data(), text.size(), flags, ids.out());
  Json list = Json::array();
  for (const inf_token id : ids.span()) list.push_back(id);
  return {{"ids", std::move(list)}};
}

Json EncodeValue(const Tokenizer& tokenizer, const Json& value, uint32_t flags) {
  if (!value.is_string()) {
    throw ApiError(INF_E_ARG, std::string("a JSON string is wanted, this is ") + value.type_name());
  }
  return Encode(tokenizer, value.get_ref<const std::string&>(), flags);
}

Json Decode(const Tokenizer& tokenizer, const Json& value, uint32_t flags) {
  if (!value.is_array()) {
    throw ApiError(INF_E_ARG,
                   std::string("an array of ids is wanted, this is ") + value.type_name());
  }
  std::vector<inf_token> ids;
  for (const Json& id : value) {
    if (!id.is_number_integer() || id > INT32_MAX || id < INT32_MIN) {
      throw ApiError(INF_E_ARG,
                     "entry " + std::to_string(ids.size()) + " is not a token id: " + Dump(id));
    }
    ids.push_back(id.get<inf_token>());
  }
  TextOutput text;
  Call(inf_detokenize, tokenizer.get(), ids.data(), ids.size(), flags, text.out());
  return {{"text", text.view()}};
}

void Run(const Options& options) {
  const Tokenizer tokenizer = LoadTokenizer(options.tokenizer);
  if (options.decode) {
    const uint32_t flags = options.skip_special ? INF_SKIP_SPECIAL : 0;
    ForEachJsonLine([&](const Json& value) { return Decode(tokenizer, value, flags); });
  } else {
    const uint32_t flags = (options.no_special ? 0 : INF_ADD_SPECIAL) |
                           (options.no_parse_special ? 0 : INF_PARSE_SPECIAL);
    if (options.text) {
      const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
      return OutLine(Encode(tokenizer, text, flags));
    }
    ForEachJsonLine([&](const Json& value) { return EncodeValue(tokenizer, value, flags); });
  }
}

}  // namespace

Command AddTokenize(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("tokenize", "Text to token ids and back, JSON lines");
  AddTokenizerOptions(*app, options->tokenizer);
  CLI::Option* decode =
      app->add_flag("--decode", options->decode, "Arrays of ids in, {\"text\": T} out");
  app->add_flag("--text", options->text, "All of stdin is one text, as it is: no JSON")
      ->excludes(decode);
  app->add_flag("--no-special", options->no_special, "Add no special tokens around the text")
      ->excludes(decode);
  app->add_flag("--no-parse-special", options->no_parse_special,
                "Special tokens written in the text are plain text")
      ->excludes(decode);
  app->add_flag("--skip-special", options->skip_special, "Leave special tokens out of the text")
      ->needs(decode);
  app->footer(
      "Reads JSON strings from stdin, one a line, and prints {\"ids\": [...]} for each, or\n"
      "{\"error\": T} for a line that does not fit; blank lines are skipped. With --text all of\n"
      "stdin is one text, every blank line and the last line end included. Reads no weights: a\n"
      "folder with tokenizer.json is enough.\n\n"
      "Examples:\n"
      "  echo '\"Hello world\"' | inference tokenize --model model.gguf\n"
      "  inference tokenize --tokenizer DIR --text < book.txt");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
