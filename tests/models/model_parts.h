// A model folder in memory: changed by a test, freed of its quantisation, merged with an adapter.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/json.h"
#include "models/adapter_file.h"
#include "models/checkpoint.h"
#include "models/quantization.h"
#include "support/affine_reference.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "util/float16.h"

namespace inference {

// A model folder in memory, to be changed and written again.
struct Parts {
  struct Part {
    DType dtype;
    std::vector<uint64_t> shape;
    std::vector<uint8_t> bytes;
  };
  Json config;
  std::map<std::string, Part> tensors;

  static Parts Read(const std::string& path) {
    Parts out;
    const Checkpoint checkpoint = OpenCheckpoint(path);
    out.config = checkpoint.config;
    for (const TensorEntry& entry : checkpoint.tensors.entries()) {
      Part part{entry.dtype, entry.shape, std::vector<uint8_t>(entry.bytes)};
      checkpoint.tensors.Read(entry, 0, std::as_writable_bytes(std::span(part.bytes)));
      out.tensors[entry.name] = std::move(part);
    }
    return out;
  }

  // Returns the folder's path.
  std::string Write(const TempDir& folder) const {
    Json header = Json::object();
    std::string data;
    for (const auto& [name, part] : tensors) {
      const size_t begin = data.size();
      data.append(part.bytes.begin(), part.bytes.end());
      header[name] = {{"dtype", std::string(InfoOf(part.dtype).name)},
                      {"shape", part.shape},
                      {"data_offsets", {begin, data.size()}}};
    }
    folder.Write("config.json", config.dump());
    folder.Write("model.safetensors", SafetensorsFile(header.dump(), data));
    return folder.path();
  }
};

// The format of a quantised module; `row` gets a row of it as affine_reference.h reads it.
inline WeightFormat RowOf(const Parts& parts, const std::string& module, const QuantScheme& scheme,
                          size_t r, std::vector<uint8_t>* row) {
  const auto slice = [&](const char* field) {
    const Parts::Part& part = parts.tensors.at(module + field);
    const size_t bytes = part.bytes.size() / part.shape[0];
    return std::vector(part.bytes.begin() + static_cast<std::ptrdiff_t>(r * bytes),
                       part.bytes.begin() + static_cast<std::ptrdiff_t>((r + 1) * bytes));
  };
  *row = slice(".weight");
  const std::vector<uint8_t> scales = slice(".scales"), biases = slice(".biases");
  row->insert(row->end(), scales.begin(), scales.end());
  row->insert(row->end(), biases.begin(), biases.end());
  return WeightFormat::Affine(scheme.bits, scheme.group,
                              parts.tensors.at(module + ".scales").dtype);
}

// The same model with float32 weights: scale * code + bias in double, rounded once.
inline Parts Dequantized(const Parts& parts) {
  const Quantization quantization = Quantization::Read(JsonFields(parts.config, "config"));
  Parts out;
  out.config = parts.config;
  out.config.erase("quantization");
  out.config.erase("quantization_config");
  for (const auto& [name, part] : parts.tensors) {
    const std::string module = name.substr(0, name.rfind('.'));
    if (name.ends_with(".scales") || name.ends_with(".biases")) continue;
    if (part.dtype != DType::kU32) {
      out.tensors[name] = part;
      continue;
    }
    const QuantScheme scheme = quantization.SchemeOf(module).value();
    const uint64_t columns = part.shape[1] * 32 / static_cast<uint64_t>(scheme.bits);
    std::vector<float> values;
    std::vector<uint8_t> row;
    for (size_t r = 0; r < part.shape[0]; ++r) {
      const WeightFormat format = RowOf(parts, module, scheme, r, &row);
      for (uint64_t c = 0; c < columns; ++c) {
        values.push_back(static_cast<float>(
            DequantizedAt(format, row, static_cast<int64_t>(columns), static_cast<int64_t>(c))));
      }
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    out.tensors[name] = {DType::kF32, {part.shape[0], columns}, {bytes, bytes + values.size() * 4}};
  }
  return out;
}

// The same model with float32 weights and the adapter in them.
inline Parts Merged(const Parts& parts, const std::vector<LoraModule>& modules,
                    float scale = 1.0f) {
  Parts out = Dequantized(parts);
  for (auto& [name, part] : out.tensors) {
    if (part.dtype == DType::kF32) continue;
    std::vector<float> values(part.bytes.size() / 2);
    ToFloats(part.dtype, std::as_bytes(std::span(part.bytes)), values);
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    part.dtype = DType::kF32;
    part.bytes.assign(bytes, bytes + values.size() * 4);
  }
  for (const LoraModule& module : modules) {
    const char* folder = module.target >= LoraTarget::kGate ? "mlp" : "self_attn";
    Parts::Part& W = out.tensors.at(
        fmt::format("model.layers.{}.{}.{}.weight", module.layer, folder, NameOf(module.target)));
    const size_t in = W.shape[1], rank = static_cast<size_t>(module.rank);
    auto* values = reinterpret_cast<float*>(W.bytes.data());
    for (size_t at = 0; at < W.bytes.size() / 4; ++at) {
      double sum = 0.0;
      for (size_t r = 0; r < rank; ++r) {
        sum += static_cast<double>(module.B[at / in * rank + r]) *
               static_cast<double>(module.A[r * in + at % in]);
      }
      values[at] += static_cast<float>(static_cast<double>(scale * module.scale) * sum);
    }
  }
  return out;
}

}  // namespace inference
