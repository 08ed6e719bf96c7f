// inference generate: continues a prompt, or answers messages, as a stream.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "generation.h"
#include "interrupt.h"
#include "terminal.h"
#include "token_lines.h"

namespace inference::tools {
namespace {

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt, ids, messages, chat_template;
  bool has_prompt = false, has_ids = false, has_messages = false;
  int32_t logprobs = 0;
  bool has_logprobs = false, prompt_logprobs = false;
  bool json = false, metrics = false;
  std::string load_session, save_session;
};

Chat ReadMessages(const Options& options, const Tokenizer& tokenizer) {
  Json json = ParseJson(ReadFile(options.messages), options.messages);
  Chat chat;
  Call(inf_chat_new, tokenizer.get(), chat.out());
  SetTemplate(chat, options.chat_template);
  if (json.is_object() && json.contains("messages")) {
    const Json messages = std::move(json["messages"]);
    json.erase("messages");
    json.erase("add_generation_prompt");  // an answer is always asked for
    const std::string variables = Dump(json);
    Call(inf_chat_set_variables_json, chat.get(), variables.data(), variables.size());
    json = messages;
  }
  const std::string messages = Dump(json);
  Call(inf_chat_add_json, chat.get(), messages.data(), messages.size());
  return chat;
}

// is_new: nothing comes before the prompt.
void SetPrompt(const Options& options, const Tokenizer& tokenizer, const Request& request,
               bool is_new) {
  if (options.has_ids) {
    const std::vector<inf_token> ids = ParseIds(options.ids);
    Call(inf_request_set_tokens, request.get(), ids.data(), ids.size());
  } else if (options.has_messages) {
    const Chat chat = ReadMessages(options, tokenizer);
    Call(inf_request_set_chat, request.get(), chat.get());
  } else {
    Call(inf_request_set_text, request.get(), options.prompt.data(), options.prompt.size(),
         INF_PARSE_SPECIAL | (is_new ? INF_ADD_SPECIAL : 0));
  }
}

struct Answer {
  inf_result result = {};
  inf_token last = -1;  // token that was generated
};

Answer StreamJson(const Options& options, const Session& session, const Request& request,
                  const Tokenizer& tokenizer) {
  TokenLines lines(
      tokenizer,
      {.has_stops = !options.sampling.stops.empty(), .has_logprobs = options.has_logprobs},
      OutLine);
  Answer answer;
  answer.result = RunRequest(session, request, [&](const inf_event& event) {
    if (event.kind == INF_EVENT_TOKEN) {
      if (event.token >= 0) answer.last = event.token;
      lines.Add(event);
    } else if (event.ids_len > 0) {
      OutLine({{"prompt_ids", IdsJson(event)}, {"prompt_logprobs", LogprobsJson(event)}});
    }
  });
  lines.Flush();
  OutLine({{"done", true},
           {"tokens_generated", answer.result.generated_tokens},
           {"finish", inf_finish_name(answer.result.finish)},
           {"metrics", MetricsJson(answer.result)}});
  return answer;
}

Answer StreamText(const Session& session, const Request& request) {
  Answer answer;
  answer.result = RunRequest(session, request, [&](const inf_event& event) {
    if (event.kind == INF_EVENT_TOKEN && event.token >= 0) answer.last = event.token;
    Out({event.text, event.text_len});
    FlushOut();
  });
  Out("\n");
  FlushOut();
  const Colors colors(STDERR_FILENO);
  if (IsTerminal(STDERR_FILENO))
    Err(fmt::format("{}{}{}\n", colors.dim, MetricsLine(answer.result), colors.reset));
  return answer;
}

// An answer that --max-tokens has cut ends with a token that the session has yet to see.
void Save(const Session& session, const Answer& answer, const std::string& path) {
  const bool has_room = inf_session_length(session.get()) < inf_session_capacity(session.get());
  if (answer.result.finish == INF_FINISH_LENGTH && answer.last >= 0 && has_room) {
    FloatsOutput logits;
    Call(inf_session_logits, session.get(), &answer.last, size_t{1}, nullptr, logits.out());
  }
  Call(inf_session_save_file, session.get(), path.data(), path.size());
}

void Run(const Options& options) {
  if (options.has_prompt + options.has_ids + options.has_messages != 1) {
    throw UsageError("exactly one of --prompt, --ids and --messages is needed");
  }
  if ((options.has_logprobs || options.prompt_logprobs) && !options.json) {
    throw UsageError("--logprobs and --prompt-logprobs want --json");
  }
  if (options.has_ids) ParseIds(options.ids);  // before the model is loaded
  const Interrupt interrupt(Interrupt::Second::kEnds);
  const Request request = NewRequest(options.sampling, interrupt.cancel());
  const LoadedModel loaded = LoadModel(options.model, interrupt.cancel());
  Tokenizer tokenizer;
  Call(inf_model_tokenizer, loaded.model.get(), tokenizer.out());
  const uint32_t wanted = (options.has_logprobs ? INF_LOGPROBS_GENERATED : 0) |
                          (options.prompt_logprobs ? INF_LOGPROBS_PROMPT : 0);
  Call(inf_request_set_logprobs, request.get(), wanted, static_cast<uint32_t>(options.logprobs));
  const Session session = NewSession(loaded);
  if (!options.load_session.empty()) {
    Call(inf_session_load_file, session.get(), options.load_session.data(),
         options.load_session.size());
  }
  SetPrompt(options, tokenizer, request, inf_session_length(session.get()) == 0);
  const Answer answer = options.json ? StreamJson(options, session, request, tokenizer)
                                     : StreamText(session, request);
  if (!options.save_session.empty()) Save(session, answer, options.save_session);
  if (options.metrics) {
    TextOutput metrics;
    Call(inf_runtime_metrics, loaded.runtime.get(), metrics.out());
    Err(fmt::format("{}\n", metrics.view()));
  }
  if (answer.result.finish == INF_FINISH_CANCELLED) {
    throw ApiError(INF_E_CANCELLED, "stopped by Ctrl-C");
  }
}

}  // namespace

Command AddGenerate(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("generate", "Continue a prompt or answer messages");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  CLI::Option* prompt =
      app->add_option("-p,--prompt", options->prompt, "Text to continue")->type_name("TEXT");
  CLI::Option* ids =
      app->add_option("--ids", options->ids, "Token ids to continue: 1,2,3")->type_name("IDS");
  CLI::Option* messages =
      app->add_option(
             "--messages", options->messages,
             "JSON file: an array of messages, or {\"messages\": [...], \"tools\": [...], ...}")
          ->type_name("FILE");
  AddTemplateOption(*app, options->chat_template);
  AddSamplingOptions(*app, options->sampling);
  app->add_flag("--json", options->json, "JSON lines, see below");
  app->add_flag("--metrics", options->metrics,
                "At the end, a line of JSON on stderr: requests, tokens, times, memory, programs");
  CLI::Option* logprobs =
      app->add_option("--logprobs", options->logprobs,
                      "With --json: log-probability of each token, and the K likeliest (0..64)")
          ->check(Between(0, 64))
          ->type_name("K");
  app->add_flag("--prompt-logprobs", options->prompt_logprobs,
                "With --json: log-probability of each token of the prompt");
  app->add_option("--load-session", options->load_session,
                  "Go on after what --save-session has kept; --messages reuse what they share")
      ->type_name("FILE");
  app->add_option("--save-session", options->save_session,
                  "Keep prompt and answer with their keys and values, also after Ctrl-C")
      ->type_name("FILE");
  app->footer(
      "With --json, one line for every generated token, as it comes:\n"
      "  {\"token\": TEXT, \"token_id\": ID}\n"
      "TEXT holds whole characters; it is empty while a character is incomplete, or while it "
      "could\n"
      "be the beginning of a --stop; all of them together are the answer. With --logprobs also\n"
      "\"logprob\", \"top_ids\" and \"top_logprobs\", of the model's own distribution, before "
      "penalties\n"
      "and temperature. With --prompt-logprobs lines before these:\n"
      "  {\"prompt_ids\": [...], \"prompt_logprobs\": [null, ...]}\n"
      "Last line:\n"
      "  {\"done\": true, \"tokens_generated\": N, \"finish\": REASON, \"metrics\": {...}}\n"
      "where metrics has dropped_tokens and overflows if --overflow dropped any.\n\n"
      "Example:\n"
      "  inference generate --model model.gguf --prompt \"The capital of France is\" --max-tokens "
      "16\n"
      "  inference generate --model model.gguf --prompt \"Q: Who wrote Emma? A:\" --stop $'\\n' "
      "--temperature 0.8 --top-p 0.95");
  return {app, [=] {
            options->has_prompt = prompt->count() > 0;
            options->has_ids = ids->count() > 0;
            options->has_messages = messages->count() > 0;
            options->has_logprobs = logprobs->count() > 0;
            Run(*options);
          }};
}

}  // namespace inference::tools
