// A GGUF model as parts that a test may change, and the conversion of a folder to it, written from
// what llama.cpp's converter does.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "models/checkpoint.h"
#include "support/gguf_writer.h"
#include "util/error.h"

namespace inference {

struct GgufParts {
  struct Part {
    uint32_t type = GgufWriter::kTensorF32;
    std::vector<uint64_t> shape;
    std::string data;
  };
  std::map<std::string, std::variant<uint32_t, float, std::string>> keys;
  std::map<std::string, Part> tensors;

  std::string Build() const {
    GgufWriter writer;
    for (const auto& [key, value] : keys) {
      if (const auto* integer = std::get_if<uint32_t>(&value)) writer.U32(key, *integer);
      if (const auto* number = std::get_if<float>(&value)) writer.F32(key, *number);
      if (const auto* text = std::get_if<std::string>(&value)) writer.String(key, *text);
    }
    for (const auto& [name, part] : tensors) {
      writer.Tensor(name, part.type, part.shape, part.data);
    }
    return writer.Build();
  }
};

inline std::string FloatBytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

inline std::vector<float> ReadBf16(const TensorSet& tensors, const TensorEntry& entry) {
  std::vector<uint16_t> stored(entry.bytes / 2);
  tensors.Read(entry, 0, std::as_writable_bytes(std::span(stored)));
  std::vector<float> values(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    const uint32_t wide = static_cast<uint32_t>(stored[i]) << 16;
    std::memcpy(&values[i], &wide, sizeof(wide));
  }
  return values;
}

// Rows of each head: the halves become neighbours.
inline std::string Interleave(const std::string& data, size_t rows, size_t head_dim) {
  const size_t row_bytes = data.size() / rows;
  std::string out;
  for (size_t r = 0; r < rows; ++r) {
    const size_t head = r / head_dim, i = r % head_dim;
    const size_t from = head * head_dim + i / 2 + (i % 2) * (head_dim / 2);
    out += data.substr(from * row_bytes, row_bytes);
  }
  return out;
}

inline std::string GgufName(std::string name, const std::string& arch) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    if (const size_t at = name.find(from); at != std::string::npos) {
      name.replace(at, from.size(), to);
      return true;
    }
    return false;
  };
  replace("model.embed_tokens", "token_embd");
  replace("model.norm", "output_norm");
  replace("lm_head", "output");
  replace("model.layers.", "blk.");
  replace("input_layernorm", "attn_norm");
  replace("self_attn.o_proj", "attn_output");
  replace("self_attn.", "attn_");
  replace("_proj", "");
  replace("mlp.", "ffn_");
  const bool gemma = arch.starts_with("gemma");
  replace("ffn_gate_up", "ffn_up");
  replace("post_attention_layernorm", gemma ? "post_attention_norm" : "ffn_norm");
  replace("pre_feedforward_layernorm", "ffn_norm");
  replace("post_feedforward_layernorm", "post_ffw_norm");
  return name;
}

// A bfloat16 folder as GGUF: matrices as they are, norms in float32.
inline GgufParts ConvertFolder(const Checkpoint& folder, const std::string& arch) {
  const Json& config = folder.config;
  GgufParts out;
  out.keys["general.architecture"] = arch;
  const auto integer = [&](const char* key, const char* field) {
    out.keys[arch + "." + key] = config.at(field).get<uint32_t>();
  };
  integer("embedding_length", "hidden_size");
  integer("block_count", "num_hidden_layers");
  integer("feed_forward_length", "intermediate_size");
  integer("attention.head_count", "num_attention_heads");
  integer("attention.head_count_kv", "num_key_value_heads");
  integer("context_length", "max_position_embeddings");
  out.keys[arch + ".attention.layer_norm_rms_epsilon"] = config.at("rms_norm_eps").get<float>();
  out.keys[arch + ".rope.freq_base"] =
      config.value("rope_theta", config.value("/rope_parameters/rope_theta"_json_pointer, 1e4f));
  const size_t head_dim =
      config.contains("head_dim")
          ? config["head_dim"].get<size_t>()
          : config.at("hidden_size").get<size_t>() / config.at("num_attention_heads").get<size_t>();
  out.keys[arch + ".attention.key_length"] = static_cast<uint32_t>(head_dim);
  for (const TensorEntry& entry : folder.tensors.entries()) {
    GgufParts::Part part{GgufWriter::kTensorBF16, entry.shape, std::string(entry.bytes, '\0')};
    folder.tensors.Read(entry, 0, std::as_writable_bytes(std::span(part.data)));
    const std::string name = GgufName(entry.name, arch);
    if (entry.shape.size() == 1) {
      std::vector<float> values = ReadBf16(folder.tensors, entry);
      const bool is_norm = name.ends_with("norm.weight");
      for (float& value : values) value += is_norm && arch.starts_with("gemma") ? 1.0f : 0.0f;
      part.type = GgufWriter::kTensorF32;
      part.data = FloatBytes(values);
    }
    if (arch == "llama" &&
        (name.find("attn_q.") != std::string::npos || name.find("attn_k.") != std::string::npos)) {
      part.data = Interleave(part.data, entry.shape[0], head_dim);
    }
    out.tensors[name] = std::move(part);
  }
  return out;
}

// Values as blocks of 32 with scales that are powers of two, and what the blocks then mean: exact.
struct QuantisedBlocks {
  std::string data;
  std::vector<float> values;
};

inline QuantisedBlocks Quantise(const std::vector<float>& values, uint32_t type) {
  const bool wide = type == GgufWriter::kTensorQ8_0;  // else Q4_1 with m = -8 d
  const auto half = [](int exponent) { return static_cast<uint16_t>((exponent + 15) << 10); };
  QuantisedBlocks out;
  for (size_t at = 0; at < values.size(); at += 32) {
    float top = 0;
    for (size_t i = 0; i < 32; ++i) top = std::max(top, std::abs(values[at + i]));
    const int exponent =
        std::clamp(static_cast<int>(std::ceil(std::log2(top / (wide ? 127.0f : 7.0f)))), -14, 12);
    int codes[32];
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = static_cast<int>(std::lround(std::ldexp(values[at + i], -exponent)));
      out.values.push_back(std::ldexp(static_cast<float>(codes[i]), exponent));
    }
    const uint16_t d = half(exponent), m = half(exponent + 3) | 0x8000;
    out.data.append(reinterpret_cast<const char*>(&d), 2);
    if (!wide) out.data.append(reinterpret_cast<const char*>(&m), 2);
    for (int i = 0; i < (wide ? 32 : 16); ++i) {
      out.data.push_back(
          static_cast<char>(wide ? codes[i] : (codes[i] + 8) | ((codes[i + 16] + 8) << 4)));
    }
  }
  return out;
}

}  // namespace inference
