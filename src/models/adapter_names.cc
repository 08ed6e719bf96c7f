#include "models/adapter_names.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "util/error.h"

namespace inference {

namespace {

constexpr std::string_view kPeftPrefix = "base_model.model.";
// Of the decoder's parts; the last is go-mlx's.
constexpr std::string_view kPrefixes[] = {"model.", "language_model.model.",
                                          "model.language_model.", ""};
constexpr std::string_view kLayers = "layers.";

constexpr LoraTarget kAll[] = {LoraTarget::kQ,    LoraTarget::kK,  LoraTarget::kV,   LoraTarget::kO,
                               LoraTarget::kGate, LoraTarget::kUp, LoraTarget::kDown};
constexpr std::span<const LoraTarget> kTargets = kAll;

struct Module {
  std::string_view name;
  std::span<const LoraTarget> targets;
};
constexpr Module kModules[] = {
    {"self_attn.q_proj", kTargets.subspan(0, 1)},   {"self_attn.k_proj", kTargets.subspan(1, 1)},
    {"self_attn.v_proj", kTargets.subspan(2, 1)},   {"self_attn.o_proj", kTargets.subspan(3, 1)},
    {"self_attn.qkv_proj", kTargets.subspan(0, 3)}, {"mlp.gate_proj", kTargets.subspan(4, 1)},
    {"mlp.up_proj", kTargets.subspan(5, 1)},        {"mlp.gate_up_proj", kTargets.subspan(4, 2)},
    {"mlp.down_proj", kTargets.subspan(6, 1)}};

// Removes `suffix` where `text` ends with it.
bool TakeSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

// "M.lora_A.weight" or "M.lora_A.NAME.weight" to M, for `half` "lora_A".
std::optional<std::string_view> PeftModule(std::string_view text, std::string_view half) {
  if (!TakeSuffix(text, ".weight")) return std::nullopt;
  const std::string last = fmt::format(".{}", half);
  if (TakeSuffix(text, last)) return text;
  text = text.substr(0, std::min(text.size(), text.rfind('.')));
  if (TakeSuffix(text, last)) return text;
  return std::nullopt;
}

// Why a tensor that is no half of a pair is not read.
std::string_view WhatItIs(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (has("lora_magnitude_vector") || name.ends_with(".m")) return "DoRA's magnitude";
  if (has("lora_embedding_")) return "LoRA of a table of embeddings";
  if (has(".lora_") && name.ends_with(".bias")) return "a bias of LoRA's (lora_bias)";
  if (name.ends_with(".bias")) return "a bias";
  if (has("modules_to_save") || name.ends_with(".weight")) return "a whole weight";
  return "no part of LoRA";
}

// "layers.N.self_attn.q_proj", after what stands before the layers.
std::optional<Module> FindModule(std::string_view module, std::string_view* layer) {
  for (const std::string_view prefix : kPrefixes) {
    std::string_view rest = module;
    if (!rest.starts_with(prefix)) continue;
    rest.remove_prefix(prefix.size());
    if (!rest.starts_with(kLayers)) continue;
    rest.remove_prefix(kLayers.size());
    const size_t dot = rest.find('.');
    if (dot == rest.npos) continue;
    *layer = rest.substr(0, dot);
    const auto* found = std::ranges::find(kModules, rest.substr(dot + 1), &Module::name);
    if (found != std::end(kModules)) return *found;
  }
  return std::nullopt;
}

}  // namespace

std::string_view NameOf(LoraTarget target) {
  constexpr std::string_view kNames[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                         "gate_proj", "up_proj", "down_proj"};
  return kNames[static_cast<size_t>(target)];
}

AdapterTensorName ParseAdapterTensorName(const std::string& where, std::string_view name,
                                         int64_t layers) {
  AdapterTensorName out;
  std::optional<std::string_view> module = name;
  if (name.starts_with(kPeftPrefix)) {
    out.is_peft = out.is_a = true;
    const std::string_view inner = name.substr(kPeftPrefix.size());
    module = PeftModule(inner, "lora_A");
    if (!module) {
      out.is_a = false;
      module = PeftModule(inner, "lora_B");
    }
  } else if (TakeSuffix(*module, ".lora_a")) {
    out.is_a = true;
  } else if (!TakeSuffix(*module, ".lora_b")) {
    module.reset();
  }
  Require(module.has_value() || !PeftModule(name, "lora_A"), Status::kFormat,
          "{}: does not begin with {}, as PEFT's do", where, kPeftPrefix);
  Require(module.has_value(), Status::kUnsupported,
          "{}: is {}; adapters are read that have LoRA matrices alone", where, WhatItIs(name));
  std::string_view digits;
  const std::optional<Module> found = FindModule(*module, &digits);
  Require(found.has_value(), Status::kUnsupported,
          "{}: is of {}, expected a layer's self_attn.q_proj, k_proj, v_proj, o_proj, qkv_proj or "
          "mlp.gate_proj, up_proj, gate_up_proj, down_proj",
          where, Quote(*module));
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), out.layer);
  Require(error == std::errc() && end == digits.data() + digits.size() && out.layer >= 0 &&
              out.layer < layers,
          Status::kFormat, "{}: is of layer {}, the base has layers 0 to {}", where, Quote(digits),
          layers - 1);
  out.module = *module;
  out.targets = found->targets;
  return out;
}

}  // namespace inference
