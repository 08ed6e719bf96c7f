// inference quantize: a smaller copy of a model folder, in the format of MLX.
#include <fmt/format.h>

#include <memory>

#include "generation.h"
#include "interrupt.h"
#include "progress.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct QuantizeOptions {
  std::string model, out;
  uint32_t bits = 4, group = 64;
  bool allow_symlinks = false;
};

int32_t ShowProgress(void* progress, const inf_event* event) {
  static_cast<Progress*>(progress)->Update(event->step, event->total);
  return 0;
}

void Run(const QuantizeOptions& options) {
  const Config config = NewConfig(options.allow_symlinks);
  const Interrupt interrupt(Interrupt::Second::kEnds);
  Progress progress("quantizing");
  Call(inf_quantize, options.model.data(), options.model.size(), options.out.data(),
       options.out.size(), options.bits, options.group, config.get(), interrupt.cancel(),
       ShowProgress, &progress);
  progress.Clear();
  Out(fmt::format("{}: {} bits, groups of {}\n", options.out, options.bits, options.group));
}

}  // namespace

Command AddQuantize(CLI::App& root) {
  auto options = std::make_shared<QuantizeOptions>();
  CLI::App* app = root.add_subcommand("quantize", "A smaller copy of a model folder");
  app->add_option("-m,--model", options->model, "Folder with config.json and *.safetensors")
      ->required()
      ->type_name("DIR");
  app->add_option("-o,--out", options->out, "Folder to write: new, or empty")
      ->required()
      ->type_name("DIR");
  app->add_option("--bits", options->bits, "Bits a weight")
      ->type_name("N")
      ->check(CLI::IsMember({2, 3, 4, 5, 6, 8}))
      ->capture_default_str();
  app->add_option("--group", options->group, "Weights that share a scale")
      ->type_name("N")
      ->check(CLI::IsMember({32, 64, 128}))
      ->capture_default_str();
  AddSymlinksFlag(*app, options->allow_symlinks);
  app->footer(
      "The result is what `mlx_lm.convert --quantize` would write: MLX reads it, too.\n\n"
      "Example:\n"
      "  inference quantize --model MODEL --bits 4 --group 64 --out MODEL-4bit");
  return {app, [=] { Run(*options); }};
}

}  // namespace inference::tools
