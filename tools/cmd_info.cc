// inference devices, inference info: what there is to run on, and what a checkpoint is.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "generation.h"
#include "terminal.h"

namespace inference::tools {
namespace {

struct DevicesOptions {
  bool json = false, verbose = false;
};

struct InfoOptions {
  ModelOptions model;
  bool json = false;
};

const char* TypeName(uint32_t type) {
  switch (type) {
    case INF_DEVICE_CPU:
      return "cpu";
    case INF_DEVICE_GPU:
      return "gpu";
    case INF_DEVICE_ACCELERATOR:
      return "accelerator";
    default:
      return "unknown";
  }
}

inf_device_desc Describe(const Runtime& runtime, uint32_t device) {
  auto desc = Sized<inf_device_desc>();
  Call(inf_device_info, runtime.get(), device, &desc);
  return desc;
}

Json DevicesJson(const Runtime& runtime) {
  Json devices = Json::array();
  for (uint32_t i = 0; i < inf_device_count(runtime.get()); ++i) {
    const inf_device_desc desc = Describe(runtime, i);
    devices.push_back({{"index", i},
                       {"name", desc.name},
                       {"type", TypeName(desc.type)},
                       {"vendor", desc.vendor},
                       {"driver", desc.driver},
                       {"memory_bytes", desc.memory_bytes},
                       {"max_alloc_bytes", desc.max_alloc_bytes},
                       {"compute_units", desc.compute_units},
                       {"default", desc.is_default != 0}});
  }
  TextOutput build;
  Call(inf_build_info, build.out());
  return {{"devices", std::move(devices)}, {"library", ParseJson(build.view(), "build info")}};
}

void RunDevices(const DevicesOptions& options) {
  const Runtime runtime = NewRuntime(options.verbose);
  if (options.json) return OutLine(DevicesJson(runtime));
  const uint32_t count = inf_device_count(runtime.get());
  if (count == 0) {
    Out("No OpenCL device found. On Debian, `apt install pocl-opencl-icd` runs on any CPU.\n");
  }
  const Colors colors(STDOUT_FILENO);
  for (uint32_t i = 0; i < count; ++i) {
    const inf_device_desc desc = Describe(runtime, i);
    Out(fmt::format("{} {}{}{}{}\n", i, colors.bold, desc.name, colors.reset,
                    desc.is_default != 0 ? "  (default)" : ""));
    Out(fmt::format("  {}, {} compute units, {}\n  {}{}, {}{}\n", TypeName(desc.type),
                    desc.compute_units, HumanBytes(desc.memory_bytes), colors.dim, desc.vendor,
                    desc.driver, colors.reset));
  }
  FlushOut();
}

Json InfoJson(const inf_model_desc& desc) {
  return {{"architecture", desc.architecture},
          {"format", desc.format},
          {"quantization", desc.quantization},
          {"path", desc.path},
          {"device", desc.device},
          {"parameters", desc.parameters},
          {"weight_bytes", desc.weight_bytes},
          {"decode_bytes_per_token", desc.decode_bytes_per_token},
          {"kv_bytes_per_token", desc.kv_bytes_per_token},
          {"vocab_size", desc.vocab_size},
          {"num_layers", desc.num_layers},
          {"hidden_size", desc.hidden_size},
          {"num_attention_heads", desc.num_attention_heads},
          {"num_key_value_heads", desc.num_key_value_heads},
          {"head_dim", desc.head_dim},
          {"intermediate_size", desc.intermediate_size},
          {"context_length", desc.context_length},
          {"quant_bits", desc.quant_bits},
          {"quant_group", desc.quant_group}};
}

void OutInfo(const inf_model_desc& desc, const inf_device_desc& device) {
  const Colors colors(STDOUT_FILENO);
  const auto row = [&](std::string_view name, const std::string& value) {
    Out(fmt::format("{}{:<14}{}{}\n", colors.dim, name, colors.reset, value));
  };
  row("model", fmt::format("{} ({}, {})", desc.architecture, desc.format, desc.quantization));
  row("path", desc.path);
  row("parameters", HumanCount(desc.parameters));
  row("layers", fmt::format("{} of width {}, feed-forward {}", desc.num_layers, desc.hidden_size,
                            desc.intermediate_size));
  row("heads", fmt::format("{} query, {} key-value, {} wide", desc.num_attention_heads,
                           desc.num_key_value_heads, desc.head_dim));
  row("vocabulary", fmt::format("{} tokens", desc.vocab_size));
  row("context",
      fmt::format("{} tokens, {} each", desc.context_length, HumanBytes(desc.kv_bytes_per_token)));
  row("weights", fmt::format("{}, {} read a token", HumanBytes(desc.weight_bytes),
                             HumanBytes(desc.decode_bytes_per_token)));
  row("device", fmt::format("{} {}", desc.device, device.name));
}

void RunInfo(const InfoOptions& options) {
  const LoadedModel loaded = LoadModel(options.model, nullptr);
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, loaded.model.get(), &desc);
  if (options.json) return OutLine(InfoJson(desc));
  OutInfo(desc, Describe(loaded.runtime, desc.device));
  FlushOut();
}

}  // namespace

Command AddDevices(CLI::App& root) {
  auto options = std::make_shared<DevicesOptions>();
  CLI::App* app = root.add_subcommand("devices", "List the OpenCL devices of this machine");
  app->add_flag("--json", options->json, "One JSON object: devices, and how the library was built");
  app->add_flag("--verbose", options->verbose, "Print the library's log on stderr");
  app->footer("Example:\n  inference devices");
  return {app, [=] { RunDevices(*options); }};
}

Command AddInfo(CLI::App& root) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* app = root.add_subcommand("info", "Describe a checkpoint, loaded on its device");
  AddLoadOptions(*app, options->model);
  app->add_flag("--json", options->json, "One JSON object");
  app->footer("Example:\n  inference info --model model.gguf");
  return {app, [=] { RunInfo(*options); }};
}

}  // namespace inference::tools
