// Adapters as PEFT, mlx-lm and go-mlx write them: the same in memory; and what is refused, and how.
#include "models/adapter_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "models/adapter_parts.h"
#include "models/checkpoint.h"
#include "models/describe.h"
#include "support/expect_error.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";
constexpr const char* kPeftFile = "adapter_model.safetensors";
constexpr const char* kMlxFile = "adapters.safetensors";
const std::string kLayer0 = "base_model.model.model.layers.0.";

// Two layers; q_proj [8, 6], k_proj and v_proj [4, 6], o_proj [6, 8], gate and up [10, 6].
const ModelDims kDims = {.architecture = "llama",
                         .vocab_size = 16,
                         .hidden_size = 6,
                         .num_layers = 2,
                         .num_attention_heads = 2,
                         .num_key_value_heads = 1,
                         .head_dim = 4,
                         .intermediate_size = 10};

// A PEFT adapter of rank 2, alpha 6 on q_proj of layer 0.
AdapterParts Small() {
  AdapterParts out;
  out.config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 6}};
  out.Add(kLayer0 + "self_attn.q_proj.lora_A.weight", 2, 6, 1);
  out.Add(kLayer0 + "self_attn.q_proj.lora_B.weight", 8, 2, 2);
  return out;
}

AdapterFile ReadParts(const AdapterParts& parts, const char* file = kPeftFile,
                      const ModelDims& dims = kDims) {
  const TempDir folder;
  parts.Write(folder, file);
  return ReadAdapter(folder.path(), dims);
}

void ExpectRefused(Status status, std::initializer_list<std::string_view> texts,
                   const AdapterParts& parts, const char* file = kPeftFile) {
  ExpectError(status, texts, [&] { ReadParts(parts, file); });
}

void ExpectSame(const AdapterFile& a, const AdapterFile& b) {
  ASSERT_EQ(a.modules.size(), b.modules.size());
  for (size_t i = 0; i < a.modules.size(); ++i) {
    EXPECT_EQ(a.modules[i].layer, b.modules[i].layer);
    EXPECT_EQ(a.modules[i].target, b.modules[i].target);
    EXPECT_EQ(a.modules[i].rank, b.modules[i].rank);
    EXPECT_EQ(a.modules[i].scale, b.modules[i].scale);
    EXPECT_EQ(a.modules[i].A, b.modules[i].A);
    EXPECT_EQ(a.modules[i].B, b.modules[i].B);
  }
  EXPECT_EQ(a.hash, b.hash);
}

class AdapterGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(AdapterGoldenTest, TheThreeFormsAreOneAdapter) {
  const std::string folder = kTiny + GetParam();
  const ModelDims dims = DescribeModel(OpenCheckpoint(folder + "/model")).dims;
  const AdapterFile peft = ReadAdapter(folder + "/adapter-peft", dims);
  const AdapterParts parts = AdapterParts::Read(folder + "/adapter-peft");
  EXPECT_EQ(peft.format, AdapterFormat::kPeft);
  EXPECT_EQ(peft.path, folder + "/adapter-peft/adapter_model.safetensors");
  EXPECT_EQ(peft.hash.size(), 32u);
  ASSERT_EQ(peft.modules.size(), parts.tensors.size() / 2);
  for (size_t i = 0; i < peft.modules.size(); ++i) {
    const LoraModule& module = peft.modules[i];
    EXPECT_EQ(module.layer, static_cast<int64_t>(i / 2));
    EXPECT_EQ(module.target, i % 2 == 0 ? LoraTarget::kQ : LoraTarget::kV);
    EXPECT_EQ(module.rank, 8);
    EXPECT_EQ(module.scale, 2.0f);
    const std::string name = fmt::format("base_model.model.model.layers.{}.self_attn.{}.",
                                         module.layer, NameOf(module.target));
    EXPECT_EQ(module.A, parts.tensors.at(name + "lora_A.weight").values);
    EXPECT_EQ(module.B, parts.tensors.at(name + "lora_B.weight").values);
  }
  const AdapterFile mlx = ReadParts(parts.AsMlxLm(), kMlxFile, dims);
  EXPECT_EQ(mlx.format, AdapterFormat::kMlxLm);
  ExpectSame(peft, mlx);
  const AdapterFile go = ReadParts(parts.AsGoMlx(), "adapter.safetensors", dims);
  EXPECT_EQ(go.format, AdapterFormat::kGoMlx);
  ExpectSame(peft, go);
}

INSTANTIATE_TEST_SUITE_P(Tiny, AdapterGoldenTest,
                         testing::Values("llama-gqa", "gemma3-text", "qwen2-bias", "qwen3-qknorm"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(AdapterFileTest, HashTellsValuesScalesAndModulesApart) {
  const AdapterParts parts = Small();
  const std::string hash = ReadParts(parts).hash;
  AdapterParts other = parts;
  other.config["lora_alpha"] = 7;
  EXPECT_NE(ReadParts(other).hash, hash);
  other = parts;
  other.tensors.begin()->second.values[3] += 1.0f;
  EXPECT_NE(ReadParts(other).hash, hash);
  other = parts;
  for (const char* half : {"A", "B"}) {
    auto moved = other.tensors.extract(kLayer0 + "self_attn.q_proj.lora_" + half + ".weight");
    moved.key() = "base_model.model.model.layers.1.self_attn.q_proj.lora_" + std::string(half) +
                  ".default.weight";
    other.tensors.insert(std::move(moved));
  }
  EXPECT_EQ(ReadParts(other).modules.at(0).layer, 1);
  EXPECT_NE(ReadParts(other).hash, hash);
  other = parts;
  other.config["r"] = 2;
  other.config["bias"] = "none";
  EXPECT_EQ(ReadParts(other).hash, hash);
}

TEST(AdapterFileTest, HalvesAreReadAsFloats) {
  for (const DType type : {DType::kF16, DType::kBF16}) {
    AdapterParts parts = Small();
    std::vector<float> want;
    for (auto& [name, part] : parts.tensors) {
      part.dtype = type;
      for (float& value : part.values) {
        value = type == DType::kF16 ? HalfToFloat(FloatToHalf(value))
                                    : BFloatToFloat(FloatToBFloat(value));
        want.push_back(value);
      }
    }
    const LoraModule module = ReadParts(parts).modules.at(0);
    std::vector<float> got = module.A;
    got.insert(got.end(), module.B.begin(), module.B.end());
    EXPECT_EQ(got, want);
  }
}

TEST(AdapterFileTest, EffectiveScales) {
  AdapterParts parts = Small();
  EXPECT_EQ(ReadParts(parts).modules.at(0).scale, 3.0f);
  parts.config["use_rslora"] = true;
  EXPECT_FLOAT_EQ(ReadParts(parts).modules.at(0).scale, 6.0f / std::sqrt(2.0f));
  AdapterParts mlx = Small().AsMlxLm();
  mlx.config["lora_parameters"]["alpha"] = 16;  // of old files, without meaning
  EXPECT_EQ(ReadParts(mlx, kMlxFile).modules.at(0).scale, 3.0f);
  mlx.config = {{"lora_layers", 16}, {"lora_parameters", {{"rank", 2}}}};
  EXPECT_EQ(ReadParts(mlx, kMlxFile).modules.at(0).scale, 20.0f);
  AdapterParts go = Small().AsGoMlx();
  EXPECT_EQ(ReadParts(go, "adapter.safetensors").modules.at(0).scale, 3.0f);
  go.config = {{"rank", 2}};
  EXPECT_EQ(ReadParts(go, "adapter.safetensors").modules.at(0).scale, 2.0f);
}

TEST(AdapterFileTest, RankAndAlphaPatternsMatchAsPeftDoes) {
  AdapterParts parts = Small();
  parts.Add(kLayer0 + "mlp.down_proj.lora_A.weight", 3, 10);
  parts.Add(kLayer0 + "mlp.down_proj.lora_B.weight", 6, 3);
  parts.Add("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight", 1, 10);
  parts.Add("base_model.model.model.layers.1.mlp.down_proj.lora_B.weight", 6, 1);
  const auto read = [&](const char* ranks, const char* alphas) {
    const TempDir folder;
    parts.config.clear();
    parts.Write(folder, kPeftFile);
    folder.Write("adapter_config.json",
                 fmt::format(R"({{"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules":
                                 ["q_proj", "down_proj"], "rank_pattern": {}, "alpha_pattern": {}}})",
                             ranks, alphas));
    const AdapterFile file = ReadAdapter(folder.path(), kDims);
    std::vector<float> out;
    for (const LoraModule& module : file.modules) {
      out.insert(out.end(), {static_cast<float>(module.rank), module.scale});
    }
    return out;
  };
  // The first pattern that matches counts, not the first of the alphabet.
  EXPECT_EQ(read(R"({"model.layers.1.mlp.down_proj": 1, "down_proj": 3})", R"({"down_proj": 9})"),
            (std::vector<float>{2, 3, 3, 3, 1, 9}));
  EXPECT_EQ(read(R"({".*\\.1\\..*down_proj": 1, "mlp\\.\\w+": 3, "a": 7})",
                 R"({"^model.layers.[01].self_attn.q_proj": 4, "proj": 1})"),
            (std::vector<float>{2, 2, 3, 2, 1, 6}));
  ExpectError(Status::kFormat, {"layers.0.mlp.down_proj", "has rank 3", "says 1"},
              [&] { read(R"({"down_proj": 1})", "{}"); });
  ExpectError(Status::kFormat, {"rank_pattern", "'('", "missing"},
              [&] { read(R"({"(": 1})", "{}"); });
  ExpectError(Status::kFormat, {"rank_pattern: 'q_proj'", "is 0, expected integer 1.."},
              [&] { read(R"({"q_proj": 0})", "{}"); });
  ExpectError(Status::kFormat, {"alpha_pattern: 'q_proj'", "is 'x', expected number"},
              [&] { read(R"({"down_proj": 3, "q_proj": 2})", R"({"q_proj": "x"})"); });
  ExpectError(Status::kLimit, {"alpha_pattern", "takes too long on module"}, [&] {
    read(R"({"layers.1.mlp.down_proj": 1, "down_proj": 3})", R"({"(((\\w+)+)+)+[!?]": 1})");
  });
}

TEST(AdapterFileTest, MatricesOfSeveralTargetsAreSplit) {
  AdapterParts parts = Small();
  parts.tensors.clear();
  parts.Add(kLayer0 + "self_attn.qkv_proj.lora_A.weight", 2, 6, 1);
  parts.Add(kLayer0 + "self_attn.qkv_proj.lora_B.weight", 8 + 4 + 4, 2, 2);
  parts.Add(kLayer0 + "mlp.gate_up_proj.lora_A.weight", 2, 6, 3);
  parts.Add(kLayer0 + "mlp.gate_up_proj.lora_B.weight", 20, 2, 4);
  const std::vector<LoraModule> modules = ReadParts(parts).modules;
  const std::vector<LoraTarget> targets = {LoraTarget::kQ, LoraTarget::kK, LoraTarget::kV,
                                           LoraTarget::kGate, LoraTarget::kUp};
  const size_t first_rows[] = {0, 8, 12, 0, 10}, rows[] = {8, 4, 4, 10, 10};
  ASSERT_EQ(modules.size(), targets.size());
  for (size_t i = 0; i < modules.size(); ++i) {
    const std::string name = kLayer0 + (i < 3 ? "self_attn.qkv_proj" : "mlp.gate_up_proj");
    EXPECT_EQ(modules[i].target, targets[i]);
    EXPECT_EQ(modules[i].A, parts.tensors.at(name + ".lora_A.weight").values);
    const std::vector<float>& B = parts.tensors.at(name + ".lora_B.weight").values;
    const auto from = B.begin() + static_cast<std::ptrdiff_t>(first_rows[i] * 2);
    EXPECT_EQ(modules[i].B, std::vector(from, from + static_cast<std::ptrdiff_t>(rows[i] * 2)));
  }
  parts.Add(kLayer0 + "self_attn.k_proj.lora_A.weight", 2, 6);
  parts.Add(kLayer0 + "self_attn.k_proj.lora_B.weight", 4, 2);
  ExpectRefused(Status::kFormat, {kPeftFile, "layer 0 has k_proj twice"}, parts);
}

TEST(AdapterFileTest, DecodersInsideLargerModels) {
  for (const std::string prefix :
       {"base_model.model.language_model.model.", "base_model.model.model.language_model."}) {
    AdapterParts parts = Small();
    parts.tensors.clear();
    parts.Add(prefix + "layers.1.mlp.up_proj.lora_A.weight", 2, 6);
    parts.Add(prefix + "layers.1.mlp.up_proj.lora_B.weight", 10, 2);
    const LoraModule module = ReadParts(parts).modules.at(0);
    EXPECT_EQ(module.layer, 1);
    EXPECT_EQ(module.target, LoraTarget::kUp);
  }
}

// Where rank = in = out of every module, shapes say nothing.
TEST(AdapterFileTest, ShapesThatFitBothFormsAskTheConfig) {
  ModelDims dims = kDims;
  dims.head_dim = 3;  // q_proj: [6, 6]
  AdapterParts parts;
  parts.Add("model.layers.0.self_attn.q_proj.lora_a", 6, 6, 1);
  parts.Add("model.layers.0.self_attn.q_proj.lora_b", 6, 6, 2);
  parts.config = {{"rank", 6}, {"alpha", 6}};
  const AdapterFile go = ReadParts(parts, kMlxFile, dims);
  EXPECT_EQ(go.format, AdapterFormat::kGoMlx);
  EXPECT_EQ(go.modules[0].A, parts.tensors.begin()->second.values);
  parts.config = {{"lora_parameters", {{"rank", 6}, {"scale", 1.0}}}};
  const AdapterFile mlx = ReadParts(parts, kMlxFile, dims);
  EXPECT_EQ(mlx.format, AdapterFormat::kMlxLm);
  EXPECT_EQ(mlx.modules[0].A[1], parts.tensors.begin()->second.values[6]);
  parts.config = nullptr;
  const TempDir folder;
  parts.Write(folder, kMlxFile);
  ExpectError(Status::kFormat, {kMlxFile, "fit mlx-lm's form and go-mlx's", "adapter_config.json"},
              [&] { ReadAdapter(folder.path(), dims, {.scale = 1.0f}); });
  // One module that tells is enough.
  parts.Add("model.layers.0.self_attn.v_proj.lora_a", 6, 2);
  parts.Add("model.layers.0.self_attn.v_proj.lora_b", 2, 3);
  parts.Write(folder, kMlxFile);
  EXPECT_EQ(ReadAdapter(folder.path(), dims, {.scale = 1.0f}).format, AdapterFormat::kMlxLm);
  parts.Add("model.layers.1.self_attn.v_proj.lora_a", 2, 6);
  parts.Add("model.layers.1.self_attn.v_proj.lora_b", 3, 2);
  parts.Write(folder, kMlxFile);
  ExpectError(Status::kFormat, {"layers.1.self_attn.v_proj.lora_a", "go-mlx's shape", "mlx-lm's"},
              [&] { ReadAdapter(folder.path(), dims, {.scale = 1.0f}); });
}

TEST(AdapterFileTest, FilesAndFolders) {
  const TempDir folder;
  const AdapterParts parts = Small();
  const std::string path = parts.Write(folder, "checkpoint-7.safetensors");
  EXPECT_EQ(ReadAdapter(path, kDims).path, path);
  ExpectError(Status::kNotFound, {folder.path(), "holds none of adapters.safetensors"},
              [&] { ReadAdapter(folder.path(), kDims); });
  folder.Write("adapters.npz", "PK");
  ExpectError(Status::kUnsupported, {"adapters.npz: is an archive", "adapters.safetensors"},
              [&] { ReadAdapter(folder.path(), kDims); });
  ExpectError(Status::kUnsupported, {"adapters.npz: is an archive"},
              [&] { ReadAdapter(folder.Path("adapters.npz"), kDims); });
  std::filesystem::remove(folder.Path("adapters.npz"));
  folder.Write("adapter_model.bin", "PK");
  ExpectError(Status::kUnsupported, {"adapter_model.bin: is a pickle"},
              [&] { ReadAdapter(folder.path(), kDims); });
  ExpectError(Status::kNotFound, {"nowhere"}, [&] { ReadAdapter(folder.Path("nowhere"), kDims); });
  ExpectError(Status::kArg, {"a scale is given, but adapter_config.json says"},
              [&] { ReadAdapter(path, kDims, {.scale = 1.0f}); });
  std::filesystem::remove(folder.Path("adapter_config.json"));
  ExpectError(Status::kNotFound, {"adapter_config.json: is missing", "scale"},
              [&] { ReadAdapter(path, kDims); });
  EXPECT_EQ(ReadAdapter(path, kDims, {.scale = 0.5f}).modules.at(0).scale, 0.5f);
  ExpectError(Status::kArg, {"scale given is nan"}, [&] {
    ReadAdapter(path, kDims, {.scale = std::numeric_limits<float>::quiet_NaN()});
  });
  std::filesystem::create_symlink("/etc/hostname", folder.Path("adapter_config.json"));
  ExpectError(Status::kPath, {"adapter_config.json"}, [&] { ReadAdapter(path, kDims); });
  CancelFlag cancel;
  cancel.Trigger();
  std::filesystem::remove(folder.Path("adapter_config.json"));
  ExpectError(Status::kCancelled, {"adapter load"},
              [&] { ReadAdapter(path, kDims, {.scale = 1.0f, .cancel = &cancel}); });
}

TEST(AdapterFileTest, TensorsThatAreNotRead) {
  const auto with = [](const std::string& name, const char* text) {
    AdapterParts parts = Small();
    parts.Add(name, 4, 4);
    ExpectRefused(Status::kUnsupported, {kPeftFile, name, text}, parts);
  };
  const std::string q = kLayer0 + "self_attn.q_proj.";
  with(q + "lora_magnitude_vector.weight", "DoRA's magnitude");
  with(q + "lora_B.bias", "a bias of LoRA's");
  with(q + "bias", "is a bias");
  with("base_model.model.lm_head.weight", "a whole weight");
  with("base_model.model.model.embed_tokens.lora_embedding_A", "LoRA of a table of embeddings");
  with("base_model.model.lm_head.lora_A.weight", "is of 'lm_head', expected a layer's");
  with("base_model.model.vision_tower.layers.0.self_attn.q_proj.lora_A.weight", "vision_tower");
  with(kLayer0 + "mlp.experts.3.up_proj.lora_A.weight", "expected a layer's");
  with("model.layers.0.self_attn.q_proj.m", "DoRA's magnitude");
  with("something", "no part of LoRA");
}

TEST(AdapterFileTest, TensorsThatAreWrong) {
  const std::string q = kLayer0 + "self_attn.q_proj.", A = q + "lora_A.weight",
                    B = q + "lora_B.weight";
  AdapterParts parts = Small();
  parts.Add("model.layers.0.self_attn.k_proj.lora_A.weight", 2, 6);
  ExpectRefused(Status::kFormat, {"k_proj.lora_A", "does not begin with base_model.model."}, parts);
  parts = Small();
  parts.Add("base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight", 2, 6);
  ExpectRefused(Status::kFormat, {"is of layer '2', the base has layers 0 to 1"}, parts);
  parts = Small();
  parts.Add("base_model.model.model.layers.-1.self_attn.q_proj.lora_A.weight", 2, 6);
  ExpectRefused(Status::kFormat, {"is of layer '-1'"}, parts);
  parts = Small();
  parts.Add("base_model.model.model.layers.0x.self_attn.q_proj.lora_A.weight", 2, 6);
  ExpectRefused(Status::kFormat, {"is of layer '0x'"}, parts);
  parts = Small();
  parts.tensors.erase(B);
  ExpectRefused(Status::kFormat, {A, "stands alone, expected both"}, parts);
  parts = Small();
  parts.Add(q + "lora_A.default.weight", 2, 6);
  ExpectRefused(Status::kFormat, {"lora_A.weight", "lora_A.default.weight", "already"}, parts);
  parts = Small();
  parts.tensors.clear();
  ExpectRefused(Status::kFormat, {kPeftFile, "holds no tensors"}, parts);
  parts = Small();
  parts.Add(A, 2, 5);
  ExpectRefused(Status::kFormat, {A, "[2, 5]", "[8, 2]", "[r, in] and [out, r] (in 6, out 8)"},
                parts);
  parts = Small();
  parts.Add(B, 8, 3);
  ExpectRefused(Status::kFormat, {A, "[2, 6]", "[8, 3]", "expected [r, in] and [out, r]"}, parts);
  parts = Small();
  parts.Add(A, 0, 6);
  parts.Add(B, 8, 0);
  ExpectRefused(Status::kFormat, {A, "[0, 6]"}, parts);
  parts = Small();
  parts.tensors[A].shape = {12};
  ExpectRefused(Status::kFormat, {A, "shape is [12], expected two axes"}, parts);
  parts = Small();
  parts.tensors[A].dtype = DType::kI32;
  ExpectRefused(Status::kUnsupported, {A, "type is I32, expected F32, F16 or BF16"}, parts);
  parts = Small();
  parts.tensors[B].values[9] = std::numeric_limits<float>::infinity();
  ExpectRefused(Status::kNumeric, {kPeftFile, B, "value 9 of 16 is not a finite number"}, parts);
  parts = Small().AsMlxLm();
  parts.Add(A, 2, 6);
  parts.Add(B, 8, 2);
  ExpectRefused(Status::kFormat, {"is named as", "others not"}, parts, kMlxFile);
  parts = Small().AsMlxLm();
  parts.Add("model.layers.0.self_attn.q_proj.lora_a", 7, 2);
  ExpectRefused(Status::kFormat, {"q_proj.lora_a", "[7, 2]", "[in, r] and [r, out], or [r, in]"},
                parts, kMlxFile);
}

TEST(AdapterFileTest, ConfigsThatAreRefused) {
  const auto with = [](const char* key, const Json& value, Status status, const char* text) {
    AdapterParts parts = Small();
    parts.config[key] = value;
    ExpectRefused(status, {"adapter_config.json", key, text}, parts);
  };
  with("peft_type", "IA3", Status::kUnsupported, "is 'IA3', expected \"LORA\"");
  with("use_dora", true, Status::kUnsupported, "is 'true'");
  with("modules_to_save", {"lm_head"}, Status::kUnsupported, "lm_head");
  with("layer_replication", Json::parse("[[0, 4], [2, 5]]"), Status::kUnsupported, "[[0,4],[2,5]]");
  with("alora_invocation_tokens", {1, 2}, Status::kUnsupported, "[1,2]");
  with("lora_bias", true, Status::kUnsupported, "true");
  with("init_lora_weights", "pissa_niter_4", Status::kUnsupported, "a base that was changed");
  with("r", 0, Status::kFormat, "is 0, expected integer 1..");
  with("r", nullptr, Status::kFormat, "is missing");
  with("r", 3, Status::kFormat, "has rank 2,");
  with("lora_alpha", "x", Status::kFormat, "expected number");
  with("target_modules", {"k_proj", "o_proj"}, Status::kFormat, "does not name it");
  with("target_modules", ".*\\.layers\\.1\\..*", Status::kFormat, "does not name it");
  with("target_modules", {3}, Status::kFormat, "holds '3', expected module names");
  with("layers_to_transform", 1, Status::kFormat, "does not name layer 0");
  with("layers_to_transform", {"x"}, Status::kFormat, "expected layer numbers");
}

TEST(AdapterFileTest, ConfigsThatAreFine) {
  const auto with = [](const char* key, const Json& value) {
    AdapterParts parts = Small();
    parts.config[key] = value;
    EXPECT_EQ(ReadParts(parts).modules.size(), 1u) << key;
  };
  with("target_modules", {"k_proj", "q_proj"});
  with("target_modules", {"self_attn.q_proj"});
  with("target_modules", "all-linear");
  with("target_modules", "(?:.*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)|(?:lm_head)");
  with("layers_to_transform", {0, 1});
  with("layers_to_transform", 0);
  with("use_dora", false);
  with("modules_to_save", Json::array());
  with("fan_in_fan_out", true);  // of matrices that none of our bases has
  with("init_lora_weights", "gaussian");
}

TEST(AdapterFileTest, ConfigsOfMlxThatAreRefused) {
  AdapterParts parts = Small().AsMlxLm();
  parts.config["fine_tune_type"] = "dora";
  ExpectRefused(Status::kUnsupported, {"fine_tune_type: is 'dora', expected \"lora\""}, parts,
                kMlxFile);
  parts.config = {{"use_dora", true}, {"lora_parameters", {{"rank", 2}, {"scale", 1.0}}}};
  ExpectRefused(Status::kUnsupported, {"use_dora"}, parts, kMlxFile);
  parts.config = {{"fine_tune_type", "lora"}};
  ExpectRefused(Status::kFormat, {"lora_parameters: is missing"}, parts, kMlxFile);
  parts.config = {{"lora_parameters", {{"rank", 4}, {"scale", 1.0}}}};
  ExpectRefused(Status::kFormat, {"has rank 2", "says 4"}, parts, kMlxFile);
  parts.config = {{"lora_parameters", {{"rank", 2}, {"scale", "much"}}}};
  ExpectRefused(Status::kFormat, {"lora_parameters: scale", "'much'"}, parts, kMlxFile);
  parts.config = {{"num_layers", 4}};
  ExpectRefused(Status::kFormat, {"has neither peft_type", "lora_parameters", "rank and alpha"},
                parts, kMlxFile);
  parts.config = Small().config;
  ExpectRefused(Status::kFormat, {"adapter_config.json: is PEFT's, but the tensors", "MLX's"},
                parts, kMlxFile);
  parts = Small();
  parts.config = {{"rank", 2}, {"alpha", 4}};
  ExpectRefused(Status::kFormat, {"adapter_config.json: is MLX's, but the tensors", "PEFT's"},
                parts);
}

}  // namespace
}  // namespace inference
