// inference chat: a conversation on the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "generation.h"
#include "interrupt.h"
#include "line_reader.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr std::string_view kHelp =
    "/reset  forget the conversation\n"
    "/quit   leave (also Ctrl-D)\n"
    "/help   this list\n"
    "Ctrl-C stops an answer.\n";

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system, chat_template;
  bool json = false;
};

struct Message {
  std::string_view role;
  std::string text;
};

class Conversation {
 public:
  Conversation(const Options& options, Interrupt& interrupt);
  void Reset();
  // Streams the answer to stdout. A turn that fails leaves the conversation as it was.
  void Answer(std::string question);

 private:
  void Stream(std::string& answer);
  const Options& options_;
  LoadedModel loaded_;
  Session session_;
  Request request_;
  Chat chat_;
  std::vector<Message> messages_;
  Colors notes_{STDERR_FILENO};
};

Conversation::Conversation(const Options& options, Interrupt& interrupt)
    : options_(options), loaded_(LoadModel(options.model, interrupt.cancel())) {
  Tokenizer tokenizer;
  Call(inf_model_tokenizer, loaded_.model.get(), tokenizer.out());
  session_ = NewSession(loaded_);
  request_ = NewRequest(options.sampling, interrupt.cancel());
  Call(inf_chat_new, tokenizer.get(), chat_.out());
  SetTemplate(chat_, options.chat_template);
  Reset();
}

void Conversation::Reset() {
  messages_.clear();
  if (!options_.system.empty()) messages_.push_back({"system", options_.system});
}

void Conversation::Answer(std::string question) {
  messages_.push_back({"user", std::move(question)});
  std::string answer;
  try {
    Stream(answer);
  } catch (const ApiError&) {
    messages_.pop_back();
    throw;
  }
  messages_.push_back({"assistant", std::move(answer)});  // also what was said before a Ctrl-C
}

void Conversation::Stream(std::string& answer) {
  Call(inf_chat_clear, chat_.get());
  for (const auto& [role, text] : messages_) {
    Call(inf_chat_add, chat_.get(), role.data(), role.size(), text.data(), text.size());
  }
  Call(inf_request_set_chat, request_.get(), chat_.get());
  const inf_result result = RunRequest(session_, request_, [&](const inf_event& event) {
    answer.append(event.text, event.text_len);
    if (options_.json) return;
    Out({event.text, event.text_len});
    FlushOut();
  });
  if (options_.json) {
    return OutLine({{"text", answer},
                    {"finish", inf_finish_name(result.finish)},
                    {"metrics", MetricsJson(result)}});
  }
  Out("\n");
  FlushOut();
  if (IsTerminal(STDERR_FILENO)) {
    Err(fmt::format("{}{}{}\n", notes_.dim, MetricsLine(result), notes_.reset));
  }
}

// False for a line that ends the program.
bool Handle(const std::string& line, Conversation& conversation) {
  if (line == "/quit" || line == "/exit") return false;
  if (line == "/help") {
    Err(kHelp);
  } else if (line == "/reset") {
    conversation.Reset();
  } else if (line.starts_with('/')) {
    Err(fmt::format("{} is not a command; /help lists them\n", line));
  } else if (line.find_first_not_of(" \t") != std::string::npos) {
    conversation.Answer(line);
  }
  return true;
}

void Run(const Options& options) {
  Interrupt interrupt(Interrupt::Second::kAgain);
  Conversation conversation(options, interrupt);
  LineReader reader(STDIN_FILENO, interrupt);
  const bool interactive = IsTerminal(STDIN_FILENO);
  const Colors colors(STDERR_FILENO);
  if (interactive) Err("/help lists the commands, Ctrl-D leaves.\n");
  for (bool leave_next = false;;) {
    if (interactive) Err(fmt::format("{}>{} ", colors.accent, colors.reset));
    const LineReader::Outcome outcome = reader.Next();
    if (outcome == LineReader::Outcome::kInterrupted) {
      Err(leave_next ? "\n" : "\n(Ctrl-C again or Ctrl-D leaves)\n");
      if (std::exchange(leave_next, true)) return;
      continue;
    }
    if (outcome == LineReader::Outcome::kEnd) {
      if (interactive) Err("\n");
      return;
    }
    interrupt.Reset();
    try {
      if (!Handle(reader.line(), conversation)) return;
    } catch (const ApiError& error) {
      if (!interactive) throw;  // a script wants the exit code
      Err(fmt::format("{}{}: {}{}\n", colors.error, inf_status_name(error.status()), error.what(),
                      colors.reset));
      if (error.status() == INF_E_CONTEXT_FULL) {
        Err("/reset starts a new conversation; --overflow slide lets go of the oldest tokens\n");
      }
    }
    leave_next = interrupt.is_set();
    interrupt.Reset();
  }
}

}  // namespace

Command AddChat(CLI::App& root) {
  auto options = std::make_shared<Options>();
  options->sampling.max_tokens = 1024;
  CLI::App* app = root.add_subcommand("chat", "Talk with a model");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  app->add_option("--system", options->system, "System message");
  AddTemplateOption(*app, options->chat_template);
  AddSamplingOptions(*app, options->sampling);
  app->add_flag("--json", options->json, "An object for each answer: text, finish, metrics");
  app->footer(
      "Reads a message a line. Ctrl-C stops an answer and not the program; Ctrl-D leaves.\n"
      "/reset forgets the conversation, /help lists the commands, /quit leaves.\n"
      "With --overflow slide or keep-head:N a conversation may be longer than the context.\n\n"
      "Example:\n"
      "  inference chat --model model.gguf --system \"Answer briefly.\" --temperature 0.7");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
