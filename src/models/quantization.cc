#include "models/quantization.h"

#include <algorithm>
#include <span>

#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kMaxModules = 1 << 16;

// Fields of a block or of a module's entry. What is not there is MLX's default for the mode.
QuantScheme ReadScheme(const JsonFields& fields) {
  const std::string mode = fields.FindString("mode").value_or("affine");
  const bool affine = mode == "affine";
  Require(affine || mode == "mxfp4", Status::kUnsupported,
          "{}: mode: is {}, expected \"affine\" or \"mxfp4\"", fields.name(), Quote(mode));
  QuantScheme out;
  out.mode = affine ? QuantMode::kAffine : QuantMode::kMxfp4;
  const auto read = [&](const char* key, std::span<const int> known, int otherwise) {
    const int64_t value = fields.FindInt(key, 1, 1 << 20).value_or(otherwise);
    Require(std::ranges::find(known, value) != known.end(), Status::kUnsupported,
            "{}: {}: is {}, expected {} for mode {}", fields.name(), key, value,
            fmt::join(known, ", "), mode);
    return static_cast<int>(value);
  };
  constexpr int kBits[] = {2, 3, 4, 5, 6, 8}, kGroups[] = {32, 64, 128};
  constexpr int kMxfp4Bits[] = {4}, kMxfp4Groups[] = {32};
  out.bits = affine ? read("bits", kBits, 4) : read("bits", kMxfp4Bits, 4);
  out.group = affine ? read("group_size", kGroups, 64) : read("group_size", kMxfp4Groups, 32);
  return out;
}

// Checkpoints of other tools have the name of their method beside "quantization_config".
void RefuseMethod(const JsonFields& block) {
  const auto method = block.FindString("quant_method");
  Require(!method, Status::kUnsupported,
          "{}: quant_method: is {}, expected weights that are not quantised, or quantised by MLX "
          "(fields bits and group_size)",
          block.name(), Quote(method.value_or("")));
}

}  // namespace

Quantization Quantization::Read(const JsonFields& config) {
  Quantization out;
  // mlx-lm writes its block under both names, and reads the first.
  auto block = config.FindObject("quantization");
  if (!block) block = config.FindObject("quantization_config");
  const auto text = config.FindObject("text_config");
  if (!block && text) block = text->FindObject("quantization_config");
  if (!block) return out;
  RefuseMethod(*block);
  block->GetInt("bits", 1, 64);
  block->GetInt("group_size", 1, 1 << 20);
  out.scheme_ = ReadScheme(*block);
  for (const auto& [key, value] : block->json().items()) {
    if (key == "bits" || key == "group_size" || key == "mode") continue;
    const std::string name = fmt::format("{}: {}", block->name(), Quote(key));
    Require(out.modules_.size() < kMaxModules, Status::kLimit, "{}: has more than {} entries",
            block->name(), kMaxModules);
    if (value.is_boolean()) {
      if (!value.get<bool>()) out.modules_[key] = std::nullopt;
    } else {
      Require(value.is_object(), Status::kUnsupported,
              "{}: is {}, expected an object with bits and group_size, or false", name,
              value.type_name());
      out.modules_[key] = ReadScheme(JsonFields(value, name));
    }
  }
  return out;
}

const std::optional<QuantScheme>& Quantization::SchemeOf(std::string_view module) const {
  const auto at = modules_.find(module);
  return at == modules_.end() ? scheme_ : at->second;
}

}  // namespace inference
