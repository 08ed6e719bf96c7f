// inference-bridge: a model behind JSON Lines on stdin and stdout (docs/bridge_protocol.md).
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <new>

#include "bridge/bridge.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr int kFailed = 1, kUsage = 2;

const char kFooter[] = R"(A JSON object a line, answered in order:
  {"cmd": "load", "path": P}            {"ok": true, "model_type": S, "vocab_size": N}
  {"cmd": "info"}                       {"model_type": S, "layers": N, "hidden_size": N, ...}
  {"cmd": "generate", "prompt": S}      {"token": S, "token_id": N} for each token, then
                                        {"done": true, "tokens_generated": N, "finish": S, ...}
  {"cmd": "chat", "messages": [{"role": S, "content": S}]}    the same
  {"cmd": "cancel"}                     no answer: the generation ends with its "done"
  {"cmd": "quit"}                       no answer: ends, as the end of the input does
A command that fails is answered {"error": "COMMAND: why"}; the next one may come.
  load            context_len, gpu_layers (0: the CPU), device, kv_type, activations, adapters,
                  max_tokens (for requests that do not say)
  generate, chat  max_tokens (256), temperature (0), top_k, top_p, min_p, repeat_penalty, seed,
                  stop, stop_tokens, adapters ([{"path": DIR, "scale": X}]) or adapter ("DIR:X")
Beyond what bridges to mlx-lm know, with the same fields:
  {"cmd": "classify", "prompts": [S], "labels": [S]}    {"index": N, "label": N, ...} each, "done"
  {"cmd": "batch_generate", "prompts": [S]}             tokens and an end with their "index", "done"
docs/bridge_protocol.md has every field.

Example:
  printf '%s\n' '{"cmd": "load", "path": "model.gguf"}' \
      '{"cmd": "generate", "prompt": "Once", "max_tokens": 8}' | inference-bridge --finish

Exit code: 0, 1 where nobody reads the answers or memory is short, 2 for wrong usage.)";

int Fail(std::string_view status, std::string_view text, int code) {
  Err(fmt::format("inference-bridge: {}: {}\n", status, text));
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app("Runs a language model for another program, as lines of JSON.", "inference-bridge");
  ModelOptions options;
  bool finish = false;
  app.set_version_flag("--version", std::string("inference-bridge ") + inf_version_string());
  app.add_option("--device", options.device,
                 "OpenCL device: index, part of its name, or cpu|gpu|accelerator")
      ->type_name("D");
  AddSymlinksFlag(app, options.allow_symlinks);
  app.add_flag("--finish", finish,
               "At the end of the input do what was asked first, instead of cancelling it");
  app.add_flag("--verbose", options.verbose, "Print the library's log on stderr");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    Fail(inf_status_name(INF_E_ARG), error.what(), kUsage);
    Err("Try: inference-bridge --help\n");
    return kUsage;
  }
  Call(inf_check_abi, INF_VERSION_NUMBER);
  std::signal(SIGPIPE, SIG_IGN);  // a parent that is gone is an error of stdout
  if (isatty(STDIN_FILENO) == 0) std::signal(SIGINT, SIG_IGN);  // Ctrl-C is the parent's
  const Replies replies;
  CommandQueue commands(STDIN_FILENO,
                        finish ? CommandQueue::AtEnd::kFinish : CommandQueue::AtEnd::kCancel);
  Bridge bridge(replies, options);
  BridgeCommand command;
  while (commands.Next(command)) bridge.Answer(command);
  return 0;
}

}  // namespace
}  // namespace inference::tools

int main(int argc, char** argv) {
  using namespace inference::tools;
  try {
    return Main(argc, argv);
  } catch (const ApiError& error) {
    return Fail(inf_status_name(error.status()), error.what(), kFailed);
  } catch (const RepliesClosed& error) {
    return Fail(inf_status_name(INF_E_IO), error.what(), kFailed);
  } catch (const std::bad_alloc&) {
    return Fail(inf_status_name(INF_E_OOM_HOST), "out of memory", kFailed);
  } catch (const std::exception& error) {
    return Fail(inf_status_name(INF_E_INTERNAL), error.what(), kFailed);
  }
}
