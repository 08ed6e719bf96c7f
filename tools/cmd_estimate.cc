// inference estimate: whether a model fits, before it is loaded.
#include <fmt/format.h>

#include <memory>

#include "generation.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct EstimateOptions {
  ModelOptions model;
  bool json = false;
};

Json FitJson(const inf_fit_desc& fit, const std::string& device) {
  return {{"fits", fit.fits != 0},
          {"device", device},
          {"context_length", fit.context_length},
          {"weight_bytes", fit.weight_bytes},
          {"kv_bytes_per_token", fit.kv_bytes_per_token},
          {"kv_bytes", fit.kv_bytes},
          {"scratch_bytes", fit.scratch_bytes},
          {"wanted_bytes", fit.wanted_bytes},
          {"active_bytes", fit.active_bytes},
          {"limit_bytes", fit.limit_bytes},
          {"missing_bytes", fit.missing_bytes}};
}

void OutFit(const inf_fit_desc& fit, const std::string& device) {
  const auto line = [](std::string_view name, uint64_t bytes, const std::string& note = {}) {
    Out(fmt::format("  {:<16} {:>12}{}\n", name, HumanBytes(bytes), note));
  };
  Out(fmt::format("{}\n", device));
  line("weights", fit.weight_bytes);
  line("KV cache", fit.kv_bytes,
       fmt::format("   {} tokens, {} each in layers with full attention", fit.context_length,
                   HumanBytes(fit.kv_bytes_per_token)));
  line("scratch", fit.scratch_bytes, "   at most");
  line("together", fit.wanted_bytes);
  line("device limit", fit.limit_bytes,
       fit.active_bytes == 0 ? "" : fmt::format("   {} in use", HumanBytes(fit.active_bytes)));
  if (fit.fits != 0) {
    Out("Fits.\n");
  } else {
    Out(fmt::format("Does not fit: {} are missing.\n", HumanBytes(fit.missing_bytes)));
  }
}

void RunEstimate(const EstimateOptions& options) {
  const Runtime runtime = NewRuntime(options.model.verbose);
  const Config config = NewConfig(options.model);
  auto fit = Sized<inf_fit_desc>();
  Call(inf_model_estimate, runtime.get(), options.model.path.data(), options.model.path.size(),
       config.get(), &fit);
  auto device = Sized<inf_device_desc>();
  Call(inf_device_info, runtime.get(), fit.device, &device);
  if (options.json) return OutLine(FitJson(fit, device.name));
  OutFit(fit, device.name);
  FlushOut();
}

}  // namespace

Command AddEstimate(CLI::App& root) {
  auto options = std::make_shared<EstimateOptions>();
  CLI::App* app = root.add_subcommand("estimate", "Whether a model fits, before it is loaded");
  AddModelOptions(*app, options->model);
  app->add_flag("--json", options->json, "One JSON object");
  app->footer(
      "Reads headers, no weights. Scratch is an upper bound; weights and KV cache are exact.\n\n"
      "Example:\n  inference estimate --model model.gguf --n-ctx 8192");
  return {app, [=] { RunEstimate(*options); }};
}

}  // namespace inference::tools
