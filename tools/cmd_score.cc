// inference score, rolling, next: log-probabilities of text that is given, a JSON value a line.
#include <memory>

#include "generation.h"

namespace inference::tools {
namespace {

struct Options {
  ModelOptions model;
  uint64_t top_k = 20, window = 0, overlap = 0;
};

// A model and a session that every line goes through, so lines that begin alike share the
// beginning.
struct Scoring {
  explicit Scoring(const Options& options)
      : loaded(LoadModel(options.model, nullptr)), session(NewSession(loaded)) {
    Call(inf_model_tokenizer, loaded.model.get(), tokenizer.out());
  }

  LoadedModel loaded;
  Session session;
  Tokenizer tokenizer;
};

std::string TextOf(const Json& value, const char* what) {
  if (!value.is_string()) {
    throw ApiError(INF_E_ARG,
                   std::string(what) + ": a JSON string is wanted, this is " + value.type_name());
  }
  return value.get<std::string>();
}

void Tokenize(const Scoring& scoring, const Json& value, TokensOutput& ids) {
  const std::string text = TextOf(value, "text");
  Call(inf_tokenize, scoring.tokenizer.get(), text.data(), text.size(),
       INF_ADD_SPECIAL | INF_PARSE_SPECIAL, ids.out());
}

template <class T>
Json List(std::span<const T> values) {
  Json list = Json::array();
  for (const T value : values) list.push_back(value);
  return list;
}

Json ScoreLine(const Scoring& scoring, const Json& value) {
  if (!value.is_object() || !value.contains("prompt") || !value.contains("completion")) {
    throw ApiError(INF_E_ARG, "an object with prompt and completion is wanted: " + Dump(value));
  }
  const std::string prompt = TextOf(value["prompt"], "prompt");
  const std::string completion = TextOf(value["completion"], "completion");
  auto desc = Sized<inf_score_desc>();
  TokensOutput ids;
  FloatsOutput logprobs;
  Call(inf_score_text, scoring.session.get(), prompt.data(), prompt.size(), completion.data(),
       completion.size(), nullptr, &desc, ids.out(), logprobs.out());
  return {{"token_ids", List<inf_token>(ids.span())},
          {"logprobs", List<float>(logprobs.span())},
          {"total", desc.total_logprob},
          {"is_greedy", desc.is_greedy != 0}};
}

Json RollingLine(const Scoring& scoring, const Options& options, const Json& value) {
  TokensOutput ids;
  Tokenize(scoring, value, ids);
  auto desc = Sized<inf_score_desc>();
  FloatsOutput logprobs;
  Call(inf_score_rolling, scoring.session.get(), ids.span().data(), ids.span().size(),
       options.window, options.overlap, nullptr, nullptr, nullptr, &desc, logprobs.out());
  return {{"token_ids", List<inf_token>(ids.span())},
          {"logprobs", List<float>(logprobs.span())},
          {"total_logprob", desc.total_logprob}};
}

Json NextLine(const Scoring& scoring, const Options& options, const Json& value) {
  TokensOutput context, ids;
  Tokenize(scoring, value, context);
  auto desc = Sized<inf_next_desc>();
  FloatsOutput logprobs;
  Call(inf_next_top, scoring.session.get(), context.span().data(), context.span().size(),
       options.top_k, nullptr, ids.out(), logprobs.out(), &desc);
  const Json tail = desc.tail == INF_TAIL_NONE ? Json(nullptr) : Json(desc.tail_logprob);
  return {{"ids", List<inf_token>(ids.span())},
          {"logprobs", List<float>(logprobs.span())},
          {"tail_logprob", tail}};
}

template <class Line>
Command Make(CLI::App* app, const std::shared_ptr<Options>& options, Line line) {
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  AddJsonFlag(*app);
  return {app, [options, line] {
            const Scoring scoring(*options);
            ForEachJsonLine([&](const Json& value) { return line(scoring, *options, value); });
          }};
}

}  // namespace

Command AddScore(CLI::App& root) {
  CLI::App* app = root.add_subcommand("score", "Log-probabilities of completions");
  app->footer(
      "Reads a JSON object a line, {\"prompt\": P, \"completion\": C}, and writes one a line: "
      "token_ids and\n"
      "logprobs (natural logarithms) of the completion, their total, and is_greedy: whether every "
      "token\n"
      "was the likeliest. Lines that begin alike share the computing of their beginning.\n\n"
      "Example:\n"
      "  echo '{\"prompt\": \"The capital of France is\", \"completion\": \" Paris\"}' |\n"
      "      inference score --model model.gguf");
  return Make(app, std::make_shared<Options>(),
              [](const Scoring& scoring, const Options&, const Json& value) {
                return ScoreLine(scoring, value);
              });
}

Command AddRolling(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("rolling", "Log-probability of every token of texts");
  app->add_option("--window", options->window, "Tokens scored together (default: the context)")
      ->type_name("N");
  app->add_option("--overlap", options->overlap,
                  "Tokens of the window before that are context (default: 1)")
      ->type_name("N");
  app->footer(
      "Reads a JSON string a line and writes an object a line: token_ids, logprobs of all but the "
      "first\n"
      "(natural logarithms) and total_logprob. exp(-total_logprob / tokens) is the perplexity.\n\n"
      "Example:\n"
      "  echo '\"The quick brown fox\"' | inference rolling --model model.gguf");
  return Make(app, options, RollingLine);
}

Command AddNext(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("next", "The likeliest next tokens of texts");
  app->add_option("--top-k", options->top_k, "Tokens to show")
      ->capture_default_str()
      ->type_name("K");
  app->footer(
      "Reads a JSON string a line and writes an object a line: ids and logprobs of the likeliest "
      "tokens in\n"
      "descending order, and tail_logprob: the logarithm of what all others have together, null "
      "where\n"
      "there are none, 0 where it is at most 1e-12.\n\n"
      "Example:\n"
      "  echo '\"The capital of France is\"' | inference next --model model.gguf --top-k 5");
  return Make(app, options, NextLine);
}

}  // namespace inference::tools
