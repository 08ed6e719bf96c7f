// inference merge: a copy of a model folder with an adapter in its weights.
#include <fmt/format.h>

#include <memory>

#include "generation.h"
#include "interrupt.h"
#include "progress.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct MergeOptions {
  std::string model, adapter, out;
  bool allow_symlinks = false;
};

int32_t ShowProgress(void* progress, const inf_event* event) {
  static_cast<Progress*>(progress)->Update(event->step, event->total);
  return 0;
}

void Run(const MergeOptions& options) {
  const AdapterChoice adapter = ParseAdapter(options.adapter);
  const Config config = NewConfig(options.allow_symlinks);
  const Interrupt interrupt(Interrupt::Second::kEnds);
  Progress progress("merging");
  Call(inf_adapter_merge, options.model.data(), options.model.size(), adapter.path.data(),
       adapter.path.size(), adapter.scale, options.out.data(), options.out.size(), config.get(),
       interrupt.cancel(), ShowProgress, &progress);
  progress.Clear();
  Out(fmt::format("{}: {} with {} of {}\n", options.out, options.model, adapter.scale,
                  adapter.path));
}

}  // namespace

Command AddMerge(CLI::App& root) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* app = root.add_subcommand("merge", "A model folder with an adapter in its weights");
  app->add_option("-m,--model", options->model, "Folder with config.json and *.safetensors")
      ->required()
      ->type_name("DIR");
  app->add_option("--adapter", options->adapter, "LoRA adapter, with a factor (default 1)")
      ->required()
      ->type_name("DIR[:SCALE]");
  app->add_option("-o,--out", options->out, "Folder to write: new, or empty")
      ->required()
      ->type_name("DIR");
  AddSymlinksFlag(*app, options->allow_symlinks);
  app->footer(
      "Only for programs that know no adapters: --adapter of the other commands needs no merge.\n\n"
      "Example:\n"
      "  inference merge --model MODEL --adapter ADAPTER --out MODEL-merged");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
