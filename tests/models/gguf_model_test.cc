// GGUF files against the folders that they were converted from.
#include <gtest/gtest.h>

#include <map>
#include <numbers>
#include <set>

#include "models/gguf_parts.h"
#include "models/model_runner.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

constexpr const char* kTiny = INFERENCE_TEST_DATA "/golden/tiny/";

Checkpoint OpenTiny(const std::string& name) { return OpenCheckpoint(kTiny + name + "/model"); }

Ids LongIds(const std::string& name) {
  return ReadJsonFile(kTiny + name + "/golden.json", 1 << 20)["long_ids"].get<Ids>();
}

std::vector<float> LogitsOfFile(const std::string& content, const Ids& ids) {
  const TempDir folder;
  return AllLogits(*LoadTestModel(folder.Write("model.gguf", content)), ids, ids.size());
}

TEST(GgufModel, LlamaHasTheBitsOfItsFolder) {
  for (const char* name : {"llama-gqa", "llama-mha-headdim"}) {
    const Checkpoint folder = OpenTiny(name);
    const Ids ids = LongIds(name);
    const std::vector<float> want =
        AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
    EXPECT_TRUE(LogitsOfFile(ConvertFolder(folder, "llama").Build(), ids) == want) << name;
  }
}

TEST(GgufModel, LlamaDividesFrequenciesByTheFactorsOfTheFile) {
  const Checkpoint folder = OpenTiny("llama-rope-llama3");
  const Ids ids = LongIds("llama-rope-llama3");
  const std::vector<float> want = AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
  GgufParts parts = ConvertFolder(folder, "llama");
  // As the converter computes them from factor 8, low 1, high 4, original 64.
  std::vector<float> factors;
  for (int i = 0; i < 8; ++i) {
    const double wavelength = 2 * std::numbers::pi * std::pow(500000.0, i / 8.0);
    const double smooth = (64.0 / wavelength - 1) / (4 - 1);
    factors.push_back(wavelength < 16   ? 1.0f
                      : wavelength > 64 ? 8.0f
                                        : static_cast<float>(1 / ((1 - smooth) / 8 + smooth)));
  }
  parts.tensors["rope_freqs.weight"] = {GgufWriter::kTensorF32, {8}, FloatBytes(factors)};
  const Difference worst = Compare(LogitsOfFile(parts.Build(), ids), want);
  EXPECT_LE(worst.difference, 1e-4f * worst.size);
}

TEST(GgufModel, LlamaScalesRopeLinearly) {
  Checkpoint folder = OpenTiny("llama-gqa");
  folder.config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  const Ids ids = LongIds("llama-gqa");
  const std::vector<float> want = AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
  GgufParts parts = ConvertFolder(folder, "llama");
  const std::vector<float> plain = LogitsOfFile(parts.Build(), ids);
  parts.keys["llama.rope.scaling.type"] = "linear";
  parts.keys["llama.rope.scaling.factor"] = 4.0f;
  const std::vector<float> got = LogitsOfFile(parts.Build(), ids);
  EXPECT_TRUE(got == want);
  EXPECT_FALSE(got == plain);
}

TEST(GgufModel, Gemma3HasTheBitsOfItsFolder) {
  const Checkpoint folder = OpenTiny("gemma3-text");
  const Ids ids = LongIds("gemma3-text");
  const std::vector<float> want = AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
  GgufParts parts = ConvertFolder(folder, "gemma3");
  parts.keys["gemma3.attention.sliding_window"] = 12u;
  EXPECT_TRUE(LogitsOfFile(parts.Build(), ids) == want);
}

TEST(GgufModel, TheOthersHaveTheBitsOfTheirFolders) {
  const std::map<std::string, std::string> arch_of = {
      {"qwen2-bias", "qwen2"}, {"qwen3-qknorm", "qwen3"}, {"gemma2", "gemma2"}};
  for (const auto& [name, arch] : arch_of) {
    Checkpoint folder = OpenTiny(name);
    GgufParts parts = ConvertFolder(folder, arch);
    if (arch == "gemma2") {
      parts.keys["gemma2.attention.sliding_window"] = 8u;
      parts.keys["gemma2.attn_logit_softcapping"] = 50.0f;
      parts.keys["gemma2.final_logit_softcapping"] = 30.0f;
      folder.config["query_pre_attn_scalar"] = 16;  // as in all but the largest size
    }
    const Ids ids = LongIds(name);
    const std::vector<float> want =
        AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
    EXPECT_TRUE(LogitsOfFile(parts.Build(), ids) == want) << name;
  }
}

TEST(GgufModel, Gemma3TakesScalingOfFullLayersPatternAndLocalBase) {
  Checkpoint folder = OpenTiny("gemma3-text");
  folder.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
  folder.config["sliding_window_pattern"] = 2;
  folder.config["rope_local_base_freq"] = 5000.0;
  const Ids ids = LongIds("gemma3-text");
  const std::vector<float> want = AllLogits(*LoadModel(folder, TestDevice(), {}), ids, ids.size());
  GgufParts parts = ConvertFolder(folder, "gemma3");
  parts.keys["gemma3.attention.sliding_window"] = 12u;
  parts.keys["gemma3.attention.sliding_window_pattern"] = 2u;
  parts.keys["gemma3.rope.freq_base_swa"] = 5000.0f;
  parts.keys["gemma3.rope.scaling.type"] = "linear";
  parts.keys["gemma3.rope.scaling.factor"] = 8.0f;
  EXPECT_TRUE(LogitsOfFile(parts.Build(), ids) == want);
}

// The folder that means what quantised tensors of `parts` mean, in float32.
void WriteDequantised(const TempDir& out, const Checkpoint& folder,
                      const std::map<std::string, std::vector<float>>& values) {
  Json header;
  std::string data;
  for (const TensorEntry& entry : folder.tensors.entries()) {
    const auto changed = values.find(entry.name);
    const std::string bytes =
        FloatBytes(changed == values.end() ? ReadBf16(folder.tensors, entry) : changed->second);
    header[entry.name] = {{"dtype", "F32"},
                          {"shape", entry.shape},
                          {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  }
  out.Write("config.json", folder.config.dump());
  out.Write("model.safetensors", SafetensorsFile(header.dump(), data));
}

TEST(GgufModel, QuantisedMatricesOfSeveralTypesInOneBlock) {
  const Checkpoint folder = OpenTiny("llama-gqa");
  const Ids ids = LongIds("llama-gqa");
  GgufParts parts = ConvertFolder(folder, "llama");
  const std::set<std::string> wide = {"attn_q", "attn_k", "token_embd"};
  const std::set<std::string> narrow = {"attn_v", "ffn_gate", "ffn_up", "ffn_down"};
  std::map<std::string, std::vector<float>> values;
  for (const TensorEntry& entry : folder.tensors.entries()) {
    const std::string name = GgufName(entry.name, "llama");
    const auto is_in = [&](const std::set<std::string>& set) {
      return std::ranges::any_of(
          set, [&](const std::string& part) { return name.find(part) != std::string::npos; });
    };
    if (!is_in(wide) && !is_in(narrow)) continue;
    const uint32_t type = is_in(wide) ? GgufWriter::kTensorQ8_0 : GgufWriter::kTensorQ4_1;
    QuantisedBlocks blocks = Quantise(ReadBf16(folder.tensors, entry), type);
    const bool turned =
        name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos;
    parts.tensors[name] = {type, entry.shape,
                           turned ? Interleave(blocks.data, entry.shape[0], 32) : blocks.data};
    values[entry.name] = std::move(blocks.values);
  }
  const TempDir plain;
  WriteDequantised(plain, folder, values);
  const std::vector<float> want = AllLogits(*LoadTestModel(plain.path()), ids, ids.size());
  const TempDir quantised;
  const std::unique_ptr<CausalLm> network =
      LoadTestModel(quantised.Write("model.gguf", parts.Build()));
  EXPECT_EQ(network->stats().main_format, DType::kQ4_1);
  const std::vector<float> got = AllLogits(*network, ids, ids.size());
  const Difference worst = Compare(got, want);
  EXPECT_LE(worst.difference, 2e-5f * worst.size);
  EXPECT_TRUE(AllLogits(*network, ids, 1) == got);

  // The first scale of a row in the middle of the table.
  parts.tensors["token_embd.weight"].data[300 * 4 * 34 + 1] = 0x7C;
  const TempDir broken;
  const std::string path = broken.Write("model.gguf", parts.Build());
  ExpectError(Status::kNumeric,
              {path + ": tensor token_embd.weight: row 300: the scale of a block"},
              [&] { LoadTestModel(path); });
}

}  // namespace
}  // namespace inference
