#include "engine/quantization_info.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "util/error.h"

namespace inference {

namespace {

std::string UpperCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return text;
}

// "bfloat16" -> "BF16"; other names as they are.
std::string PlainTypeName(const std::string& torch_dtype) {
  if (torch_dtype == "bfloat16") return "BF16";
  if (torch_dtype == "float16") return "F16";
  if (torch_dtype == "float32") return "F32";
  return torch_dtype;
}

// Other tools tell their method, MLX a mode that is "affine" where it is not told.
QuantizationInfo QuantizationOfBlock(const JsonFields& block) {
  QuantizationInfo out;
  out.bits = static_cast<uint32_t>(block.FindInt("bits", 0, 64).value_or(0));
  const int64_t group = block.FindInt("group_size", -1, 65536).value_or(0);
  out.group = static_cast<uint32_t>(std::max<int64_t>(group, 0));  // -1: one scale a row
  std::optional<std::string> scheme = block.FindString("quant_method");
  if (!scheme) scheme = block.FindString("mode");
  if (scheme && *scheme != "affine") {
    out.name = UpperCase(*scheme);
  } else {
    out.name = out.bits == 0 ? "affine" : fmt::format("{}-bit affine", out.bits);
  }
  return out;
}

}  // namespace

QuantizationInfo QuantizationOf(const WeightFormat& format) {
  const std::string name = NameOf(format);
  if (format.is_affine()) return {name, format.bits, format.group};
  switch (format.dtype) {
    case DType::kQ2_K:
      return {name, 2, 16};
    case DType::kQ3_K:
      return {name, 3, 16};
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ4_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
    case DType::kMXFP4:
      return {name, 4, 32};
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ5_K:
      return {name, 5, 32};
    case DType::kQ6_K:
      return {name, 6, 16};
    case DType::kQ8_0:
      return {name, 8, 32};
    default:
      return {name, 0, 0};
  }
}

QuantizationInfo QuantizationOf(const TensorSet& tensors) {
  std::map<DType, uint64_t> bytes;
  for (const TensorEntry& entry : tensors.entries()) bytes[entry.dtype] += entry.bytes;
  const auto most = std::ranges::max_element(
      bytes, {}, [](const std::pair<const DType, uint64_t>& type) { return type.second; });
  return most == bytes.end() ? QuantizationInfo{} : QuantizationOf(WeightFormat(most->first));
}

QuantizationInfo QuantizationOf(const JsonFields& config) {
  std::optional<JsonFields> block = config.FindObject("quantization");
  if (!block) block = config.FindObject("quantization_config");
  if (block) return QuantizationOfBlock(*block);
  if (const auto text = config.FindObject("text_config")) {
    if (text->Has("torch_dtype") || text->Has("dtype")) return QuantizationOf(*text);
  }
  const char* key = config.Has("torch_dtype") ? "torch_dtype" : "dtype";
  return {PlainTypeName(config.FindString(key).value_or("")), 0, 0};
}

}  // namespace inference
