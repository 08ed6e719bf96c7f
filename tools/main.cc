// The command line program `inference`: a client of inference.h and nothing else.
#include <fmt/format.h>

#include <exception>
#include <new>
#include <vector>

#include "command.h"
#include "terminal.h"

namespace inference::tools {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Report(inf_status status, std::string_view message) {
  Err(fmt::format("inference: {}: {}\n", inf_status_name(status), message));
  return kFailed;
}

int ReportUsage(const CLI::App& root, std::string_view message) {
  Report(INF_E_ARG, message);
  const std::vector<const CLI::App*> parsed =
      root.get_subcommands([](const CLI::App* app) { return app->parsed(); });
  Err(fmt::format("Try: inference {}--help\n",
                  parsed.empty() ? "" : parsed.front()->get_name() + " "));
  return kUsage;
}

// CLI11 says of an unknown command only that it is an extra argument.
void CheckCommandName(const CLI::App& root, int argc, char** argv) {
  if (argc < 2 || *argv[1] == '-') return;
  for (const CLI::App* command : root.get_subcommands({})) {
    if (command->get_name() == argv[1]) return;
  }
  throw UsageError(fmt::format("{} is not a command", argv[1]));
}

int Main(int argc, char** argv) {
  CLI::App root("Runs language models on OpenCL devices.", "inference");
  root.set_version_flag("--version", std::string("inference ") + inf_version_string());
  root.footer(
      "Every command has its own --help with an example.\n\n"
      "Example:\n"
      "  inference generate --model model.gguf --prompt \"Once upon a time\"\n\n"
      "Exit code: 0, 1 after a failure (stderr: inference: STATUS: message), 2 for wrong usage.");
  const std::vector<Command> commands = {
      AddGenerate(root), AddChat(root),     AddInfo(root),     AddDiscover(root), AddEstimate(root),
      AddDevices(root),  AddTokenize(root), AddRender(root),   AddLogits(root),   AddBench(root),
      AddQuantize(root), AddMerge(root),    AddTune(root),     AddScore(root),    AddRolling(root),
      AddNext(root),     AddBatch(root),    AddClassify(root), AddEmbed(root),    AddDiff(root)};
  try {
    CheckCommandName(root, argc, argv);
    root.parse(argc, argv);
    if (root.get_subcommands().empty()) throw UsageError("a command is wanted");
    Call(inf_check_abi, INF_VERSION_NUMBER);
    for (const Command& command : commands) {
      if (command.app->parsed()) command.run();
    }
    FlushOut();
    return 0;
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? root.exit(error) : ReportUsage(root, error.what());
  } catch (const UsageError& error) {
    return ReportUsage(root, error.what());
  } catch (const ApiError& error) {
    return Report(error.status(), error.what());
  }
}

}  // namespace
}  // namespace inference::tools

int main(int argc, char** argv) {
  using inference::tools::Report;
  try {
    return inference::tools::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    return Report(INF_E_OOM_HOST, "out of memory");
  } catch (const std::exception& error) {
    return Report(INF_E_INTERNAL, error.what());
  }
}
