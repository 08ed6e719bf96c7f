// inference tune: good parameters for the device at hand.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "generation.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct TuneOptions {
  std::string device;
  bool json = false, show = false, reset = false, verbose = false;
};

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

bool IsIndex(const std::string& text) {
  return !text.empty() && text.size() < 6 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The device that `wish` names: an index, a part of its name, or nothing for the default one.
uint32_t FindDevice(const Runtime& runtime, const std::string& wish) {
  const uint32_t count = inf_device_count(runtime.get());
  if (count == 0) throw ApiError(INF_E_DEVICE, "no OpenCL device: inference devices says why");
  if (IsIndex(wish)) {
    const auto index = static_cast<uint32_t>(std::stoul(wish));
    if (index < count) return index;
  }
  for (uint32_t i = 0; i < count && !IsIndex(wish); ++i) {
    auto desc = Sized<inf_device_desc>();
    Call(inf_device_info, runtime.get(), i, &desc);
    if (wish.empty() ? desc.is_default != 0
                     : Lower(desc.name).find(Lower(wish)) != std::string::npos) {
      return i;
    }
  }
  throw ApiError(INF_E_DEVICE, fmt::format("--device: no device is '{}', expected an index below "
                                           "{} or a part of a name",
                                           wish, count));
}

void OutTable(const Json& table) {
  Out(fmt::format("{}\n", Printable(table.at("device").get<std::string>())));
  Out(fmt::format("  file: {}\n", Printable(table.at("path").get<std::string>())));
  if (!table.at("stored").get<bool>()) {
    Out("  not tuned: the library's defaults are used\n");
    return;
  }
  Out(fmt::format("  parts a compute unit: {}\n", table.at("parts_per_compute_unit").dump()));
  for (const Json& rule : table.at("matmul")) {
    std::string sizes;
    for (const char* key : {"lanes", "rows", "tokens", "item_tokens"}) {
      if (rule.contains(key)) sizes += fmt::format(" {} {}", key, rule.at(key).dump());
    }
    Out(fmt::format("  {} weights, up to {} rows and {} tokens: {}{}\n",
                    rule.at("weights").get<std::string>(), rule.at("rows_up_to").dump(),
                    rule.at("tokens_up_to").dump(), rule.at("kernel").get<std::string>(), sizes));
  }
}

void RunTune(const TuneOptions& options) {
  if (options.show && options.reset) throw UsageError("--show and --reset exclude each other");
  const Runtime runtime = NewRuntime(options.verbose);
  const uint32_t device = FindDevice(runtime, options.device);
  const int32_t action = options.show    ? INF_TUNE_SHOW
                         : options.reset ? INF_TUNE_RESET
                                         : INF_TUNE_MEASURE;
  if (action == INF_TUNE_MEASURE && !options.json) {
    Err("Measuring: takes up to a few minutes; let nothing else run meanwhile.\n");
  }
  TextOutput text;
  Call(inf_device_tune, runtime.get(), device, action, text.out());
  const Json table = ParseJson(text.view(), "inf_device_tune");
  if (options.json) return OutLine(table);
  OutTable(table);
  FlushOut();
}

}  // namespace

Command AddTune(CLI::App& root) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* app = root.add_subcommand("tune", "Measure which kernels suit this machine's device");
  app->add_option("--device", options->device, "Index, or part of a name; default: the library's")
      ->type_name("D");
  app->add_flag("--show", options->show, "Print what is stored, measure nothing");
  app->add_flag("--reset", options->reset, "Forget what is stored");
  app->add_flag("--json", options->json, "One JSON object");
  app->add_flag("--verbose", options->verbose, "Print the library's log on stderr");
  app->footer(
      "Results of models stay the same to the bit; only their speed may change. The table is kept "
      "in\n"
      "the user's cache folder, and used whenever the device is opened by this version with the "
      "same\n"
      "driver.\n\n"
      "Example:\n  inference tune");
  return {app, [=] { RunTune(*options); }};
}

}  // namespace inference::tools
