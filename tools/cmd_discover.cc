// inference discover: which models a folder holds.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "generation.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct DiscoverOptions {
  std::string folder;
  bool json = false, allow_symlinks = false, verbose = false;
};

Json EntryJson(const inf_model_entry& entry) {
  return {{"path", entry.path},
          {"format", entry.format},
          {"architecture", entry.architecture},
          {"quantization", entry.quantization},
          {"quant_bits", entry.quant_bits},
          {"quant_group", entry.quant_group},
          {"file_count", entry.file_count},
          {"bytes", entry.bytes},
          {"loadable", entry.loadable != 0},
          {"reason", entry.reason}};
}

std::string OrDash(std::string_view text) { return text.empty() ? "-" : Printable(text); }

void OutEntry(const inf_model_entry& entry, const Colors& colors) {
  const std::string group =
      entry.quant_group == 0 ? "" : fmt::format(", group {}", entry.quant_group);
  Out(fmt::format("{}{}{}\n", colors.bold, Printable(entry.path), colors.reset));
  Out(fmt::format("  {} ({}, {}{}), {} in {} file{}\n", OrDash(entry.architecture), entry.format,
                  OrDash(entry.quantization), group, HumanBytes(entry.bytes), entry.file_count,
                  entry.file_count == 1 ? "" : "s"));
  if (entry.loadable == 0) Out(fmt::format("  cannot be loaded: {}\n", Printable(entry.reason)));
}

void RunDiscover(const DiscoverOptions& options) {
  const Runtime runtime = NewRuntime(options.verbose);
  const Config config = NewConfig(options.allow_symlinks);
  ModelList list;
  Call(inf_discover, runtime.get(), options.folder.data(), options.folder.size(), config.get(),
       list.out());
  const uint32_t count = inf_model_list_count(list.get());
  const Colors colors(STDOUT_FILENO);
  Json models = Json::array();
  for (uint32_t i = 0; i < count; ++i) {
    auto entry = Sized<inf_model_entry>();
    Call(inf_model_list_get, list.get(), i, &entry);
    if (options.json) {
      models.push_back(EntryJson(entry));
    } else {
      OutEntry(entry, colors);
    }
  }
  if (options.json) return OutLine({{"models", std::move(models)}});
  if (count == 0) Out(fmt::format("No model in {} or its folders.\n", Printable(options.folder)));
  FlushOut();
}

}  // namespace

Command AddDiscover(CLI::App& root) {
  auto options = std::make_shared<DiscoverOptions>();
  CLI::App* app = root.add_subcommand("discover", "List the models in a folder");
  app->add_option("dir", options->folder, "Folder that is a model, or holds some")
      ->required()
      ->type_name("DIR");
  app->add_flag("--json", options->json, "One JSON object");
  AddSymlinksFlag(*app, options->allow_symlinks);
  app->add_flag("--verbose", options->verbose, "Print the library's log on stderr");
  app->footer(
      "Looks at DIR, its files and its direct folders; opens no weights.\n\n"
      "Example:\n  inference discover ~/models");
  return {app, [=] { RunDiscover(*options); }};
}

}  // namespace inference::tools
