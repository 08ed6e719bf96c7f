// An adapter in memory, to be changed, turned into other forms, and written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "formats/json.h"
#include "formats/safetensors.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "support/test_device.h"
#include "util/float16.h"

namespace inference {

struct AdapterParts {
  struct Part {
    std::vector<uint64_t> shape;
    std::vector<float> values;
    DType dtype = DType::kF32;
  };
  Json config;  // null: no file
  std::map<std::string, Part> tensors;

  // A folder that PEFT wrote.
  static AdapterParts Read(const std::string& folder) {
    AdapterParts out;
    out.config = ReadJsonFile(folder + "/adapter_config.json", 1 << 20);
    const TensorSet set = OpenSafetensors(folder + "/adapter_model.safetensors");
    for (const TensorEntry& entry : set.entries()) {
      std::vector<std::byte> bytes(entry.bytes);
      set.Read(entry, 0, bytes);
      Part part{entry.shape, std::vector<float>(entry.shape[0] * entry.shape[1]), entry.dtype};
      ToFloats(entry.dtype, bytes, part.values);
      out.tensors[entry.name] = std::move(part);
    }
    return out;
  }

  void Add(const std::string& name, uint64_t rows, uint64_t columns, uint32_t seed = 1) {
    tensors[name] = {{rows, columns}, RandomNormal(rows * columns, seed), DType::kF32};
  }

  // What go-mlx would have written: its names and its config.
  AdapterParts AsGoMlx() const {
    AdapterParts out;
    out.config = {{"rank", config.at("r")},
                  {"alpha", config.at("lora_alpha")},
                  {"num_layers", 6},
                  {"lora_layers", {"self_attn.q_proj"}}};
    for (const auto& [name, part] : tensors) {
      std::string to = name.substr(std::string("base_model.model.").size());
      to.replace(to.find(".lora_"), to.npos,
                 name.find("lora_A") != name.npos ? ".lora_a" : ".lora_b");
      out.tensors[to] = part;
    }
    return out;
  }

  // And mlx-lm: every matrix turned.
  AdapterParts AsMlxLm() const {
    AdapterParts out = AsGoMlx();
    const double r = config.at("r"), alpha = config.at("lora_alpha");
    out.config = {{"fine_tune_type", "lora"},
                  {"num_layers", 6},
                  {"lora_parameters", {{"rank", r}, {"scale", alpha / r}, {"dropout", 0.0}}}};
    out.config["lora_parameters"]["rank"] = config.at("r");
    for (auto& [name, part] : out.tensors) {
      Part turned{{part.shape[1], part.shape[0]}, part.values, part.dtype};
      for (size_t i = 0; i < part.shape[0]; ++i) {
        for (size_t j = 0; j < part.shape[1]; ++j) {
          turned.values[j * part.shape[0] + i] = part.values[i * part.shape[1] + j];
        }
      }
      part = turned;
    }
    return out;
  }

  // Returns the path of the tensors.
  std::string Write(const TempDir& folder, const std::string& file) const {
    Json header = Json::object();
    std::string data;
    for (const auto& [name, part] : tensors) {
      const size_t begin = data.size();
      std::vector<std::byte> bytes(part.values.size() * InfoOf(part.dtype).block_bytes);
      if (IsHalfOrFloat(part.dtype)) FromFloats(part.values, part.dtype, bytes);
      data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      header[name] = {{"dtype", std::string(InfoOf(part.dtype).name)},
                      {"shape", part.shape},
                      {"data_offsets", {begin, data.size()}}};
    }
    if (!config.is_null()) folder.Write("adapter_config.json", config.dump());
    return folder.Write(file, SafetensorsFile(header.dump(), data));
  }
};

}  // namespace inference
