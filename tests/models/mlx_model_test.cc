// Model folders that MLX quantised: against float32 arithmetic on the dequantised weights, by
// Hugging Face's code and by our own.
#include <gtest/gtest.h>

#include <filesystem>

#include "models/model_parts.h"
#include "models/model_runner.h"
#include "models/quantize.h"
#include "support/expect_error.h"
#include "support/matmul_choice.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";
constexpr float kTolerance = 2e-4f;  // of the largest |logit|

struct GoldenCase {
  const char* model;
  int bits;
};

class MlxGoldenTest : public testing::TestWithParam<GoldenCase> {};

TEST_P(MlxGoldenTest, LogitsAgreeInEveryChunkingAndKernelFamily) {
  const WithMatmulChoice with(kTilesChoice);  // of one size: fewer kernels to build
  const std::string folder = kTiny + GetParam().model,
                    variant = fmt::format("mlx-{}bit", GetParam().bits);
  const auto network = LoadTestModel(folder + "/model-" + variant);
  EXPECT_EQ(network->stats().main_format.bits, GetParam().bits);
  const TensorSet logits = OpenSafetensors(folder + "/logits-" + variant + ".safetensors");
  const Json prompts = ReadJsonFile(folder + "/golden.json", 1 << 20)["prompts"];
  ASSERT_EQ(logits.entries().size(), prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Ids ids = prompts[i]["ids"].get<Ids>();
    const std::vector<float> want = ReadTensor(logits, fmt::format("logits.{}", i));
    const std::vector<float> got = AllLogits(*network, ids, ids.size());
    ASSERT_EQ(got.size(), want.size());
    const Difference worst = Compare(got, want);
    EXPECT_LE(worst.difference, kTolerance * worst.size) << i;
    for (const size_t chunk : {1, 7}) {
      EXPECT_TRUE(AllLogits(*network, ids, chunk) == got) << i << " in chunks of " << chunk;
    }
    const Difference other =
        Compare(AllLogits(*network, ids, ids.size(), KernelFamily::kGpu), want);
    EXPECT_LE(other.difference, kTolerance * other.size) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, MlxGoldenTest,
                         testing::Values(GoldenCase{"llama-gqa", 4}, GoldenCase{"llama-gqa", 8},
                                         GoldenCase{"qwen2-bias", 4}, GoldenCase{"qwen3-qknorm", 4},
                                         GoldenCase{"gemma3-text", 4}),
                         [](const auto& test) {
                           std::string name =
                               fmt::format("{}_{}bit", test.param.model, test.param.bits);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

void ExpectSameLogits(const Parts& quantized, const Parts& plain) {
  const TempDir a, b;
  const auto got_from = LoadTestModel(quantized.Write(a)),
             want_from = LoadTestModel(plain.Write(b));
  const Ids ids = {1, 5, 99, 300, 42, 7, 7, 200};
  const Difference worst = Compare(AllLogits(*got_from, ids, 8), AllLogits(*want_from, ids, 8));
  EXPECT_LE(worst.difference, 1e-5f * worst.size);
  EXPECT_GT(worst.size, 0.1f);
  EXPECT_EQ(got_from->stats().parameters, want_from->stats().parameters);
}

TEST(MlxModel, EveryWidthComputesOnTheDequantisedWeights) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64}) {
      const TempDir folder;
      QuantizeFolder(kTiny + "llama-rope-llama3/model", folder.Path("m"),
                     {.bits = bits, .group = group});
      const Parts quantized = Parts::Read(folder.Path("m"));
      SCOPED_TRACE(fmt::format("{} bits, group {}", bits, group));
      EXPECT_EQ(quantized.tensors.at("model.embed_tokens.weight").dtype, DType::kU32);  // tied
      ExpectSameLogits(quantized, Dequantized(quantized));
    }
  }
}

Parts Tiny() { return Parts::Read(kTiny + "llama-gqa/model-mlx-4bit"); }

TEST(MlxModel, ModulesMayDiffer) {
  const TempDir folder;
  QuantizeFolder(kTiny + "llama-gqa/model", folder.Path("wide"), {.bits = 8, .group = 64});
  Parts quantized = Tiny();
  const Parts wide = Parts::Read(folder.Path("wide")),
              plain = Parts::Read(kTiny + "llama-gqa/model");
  // One of q, k and v; one of gate and up; the head; and two that are not quantised.
  for (const char* module : {"model.layers.0.self_attn.v_proj", "model.layers.1.mlp.up_proj",
                             "model.layers.2.mlp.down_proj", "lm_head"}) {
    for (const char* field : {".weight", ".scales", ".biases"}) {
      const std::string name = std::string(module) + field;
      if (name != "model.layers.2.mlp.down_proj.weight" && !wide.tensors.contains(name)) continue;
      quantized.tensors[name] = wide.tensors.at(name);
    }
    if (!wide.tensors.contains(std::string(module) + ".scales")) continue;
    quantized.config["quantization"][module] = {{"group_size", 64}, {"bits", 8}};
  }
  for (const char* module : {"model.embed_tokens", "model.layers.1.self_attn.o_proj"}) {
    const std::string name = std::string(module) + ".weight";
    quantized.tensors[name] = plain.tensors.at(name);
    quantized.tensors.erase(std::string(module) + ".scales");
    quantized.tensors.erase(std::string(module) + ".biases");
    quantized.config["quantization"][module] = false;
  }
  ExpectSameLogits(quantized, Dequantized(quantized));
}

TEST(MlxModel, Mxfp4IsComputedAsItIs) {
  Parts quantized = Tiny(), plain = Dequantized(quantized);
  const std::string module = "model.layers.1.self_attn.o_proj";
  std::mt19937 generator(3);
  Parts::Part words{DType::kU32, {128, 16}, std::vector<uint8_t>(128 * 64)};
  Parts::Part scales{DType::kU8, {128, 4}, std::vector<uint8_t>(128 * 4)};
  for (uint8_t& byte : words.bytes) byte = static_cast<uint8_t>(generator());
  for (uint8_t& byte : scales.bytes) byte = static_cast<uint8_t>(120 + generator() % 4);
  std::vector<float> values;
  for (size_t i = 0; i < 128 * 128; ++i) {
    const int code = (words.bytes[i / 2] >> (i % 2 * 4)) & 15;
    values.push_back(static_cast<float>(std::ldexp(kE2M1[code], scales.bytes[i / 32] - 127)));
  }
  quantized.tensors[module + ".weight"] = words;
  quantized.tensors[module + ".scales"] = scales;
  quantized.tensors.erase(module + ".biases");
  quantized.config["quantization"][module] = {{"mode", "mxfp4"}, {"group_size", 32}, {"bits", 4}};
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  plain.tensors[module + ".weight"] = {DType::kF32, {128, 128}, {bytes, bytes + values.size() * 4}};
  ExpectSameLogits(quantized, plain);
}

void ExpectTensorError(Status status, const std::string& message,
                       const std::function<void(Parts&)>& change) {
  Parts parts = Tiny();
  change(parts);
  const TempDir folder;
  parts.Write(folder);
  ExpectError(status, {folder.path(), "tensor " + message}, [&] { LoadTestModel(folder.path()); });
}

TEST(MlxModel, TensorsMustFitTheConfig) {
  const std::string q = "model.layers.0.self_attn.q_proj";
  const auto resize = [](Parts::Part& part, std::vector<uint64_t> shape) {
    uint64_t bytes = InfoOf(part.dtype).block_bytes;
    for (const uint64_t dim : shape) bytes *= dim;
    part.shape = std::move(shape);
    part.bytes.resize(bytes);
  };
  ExpectTensorError(
      Status::kFormat,
      q + ".weight: shape is [128, 15], expected [128, 16] for 128 columns of 4 bits in "
          "groups of 32",
      [&](Parts& p) {
        resize(p.tensors[q + ".weight"], {128, 15});
      });
  ExpectTensorError(Status::kFormat,
                    q + ".scales: shape is [128, 2], expected [128, 4] for 128 columns of 4 bits",
                    [&](Parts& p) {
                      resize(p.tensors[q + ".scales"], {128, 2});
                    });
  ExpectTensorError(Status::kFormat,
                    q + ".biases: is missing, expected shape [128, 4] for 128 columns of 4 bits",
                    [&](Parts& p) { p.tensors.erase(q + ".biases"); });
  ExpectTensorError(Status::kFormat, q + ".scales: type is I16, expected F32, F16 or BF16",
                    [&](Parts& p) { p.tensors[q + ".scales"].dtype = DType::kI16; });
  ExpectTensorError(
      Status::kFormat,
      q + ".biases: type is F16, expected BF16 as model.layers.0.self_attn.q_proj.scales "
          "has",
      [&](Parts& p) { p.tensors[q + ".biases"].dtype = DType::kF16; });
  ExpectTensorError(Status::kFormat, q + ".scales: type is BF16, expected U8", [&](Parts& p) {
    p.config["quantization"][q] = {{"mode", "mxfp4"}};
  });
  ExpectTensorError(Status::kFormat, "model.embed_tokens.weight: type is U32, but ", [](Parts& p) {
    p.config.erase("quantization");
    p.config.erase("quantization_config");
  });
  ExpectTensorError(Status::kFormat, q + ".weight: type is U32, but ",
                    [&](Parts& p) { p.config["quantization"][q] = false; });
  ExpectTensorError(
      Status::kFormat,
      "model.layers.0.mlp.down_proj.weight: expected whole groups for 96 columns of 4 "
      "bits in groups of 64",
      [](Parts& p) {
        p.config["quantization"]["model.layers.0.mlp.down_proj"] = {{"bits", 4}};
      });
  ExpectTensorError(Status::kNumeric,
                    q + ".biases: row 3: a scale or bias is 0x7f80, expected a finite bfloat16",
                    [&](Parts& p) {
                      p.tensors[q + ".biases"].bytes[3 * 8 + 2] = 0x80;
                      p.tensors[q + ".biases"].bytes[3 * 8 + 3] = 0x7F;
                    });
  ExpectTensorError(Status::kUnsupported,
                    q + ".qweight: is there instead of " + q + ".weight: quantised by GPTQ or AWQ",
                    [&](Parts& p) {
                      p.tensors[q + ".qweight"] = p.tensors[q + ".weight"];
                      p.tensors.erase(q + ".weight");
                    });
}

TEST(QuantizationConfig, ReadsBlocksAndModules) {
  const auto read = [](const char* text) {
    const Json json = ParseJson(text, "c");
    return Quantization::Read(JsonFields(json, "c"));
  };
  EXPECT_FALSE(read("{}").scheme());
  EXPECT_FALSE(read(R"({"quantization_config":null})").SchemeOf("a"));
  const Quantization q = read(
      R"({"quantization":{"group_size":32,"bits":3,"a.b":{"bits":8,"group_size":128,"mode":"affine"},)"
      R"("c":false,"d":{},"e":true,"f":{"mode":"mxfp4"}},"quantization_config":{"quant_method":"x"}})");
  EXPECT_EQ(q.scheme(), (QuantScheme{QuantMode::kAffine, 3, 32}));
  EXPECT_EQ(q.SchemeOf("a.b"), (QuantScheme{QuantMode::kAffine, 8, 128}));
  EXPECT_EQ(q.SchemeOf("c"), std::nullopt);
  EXPECT_EQ(q.SchemeOf("d"), (QuantScheme{QuantMode::kAffine, 4, 64}));  // MLX's defaults
  EXPECT_EQ(q.SchemeOf("e"), q.scheme());
  EXPECT_EQ(q.SchemeOf("f"), (QuantScheme{QuantMode::kMxfp4, 4, 32}));
  EXPECT_EQ(q.SchemeOf("other"), q.scheme());
  EXPECT_EQ(read(R"({"quantization_config":{"group_size":64,"bits":6}})").scheme(),
            (QuantScheme{QuantMode::kAffine, 6, 64}));
}

TEST(QuantizationConfig, SaysWhatCannotBeRead) {
  const auto expect = [](Status status, const char* text, const char* message) {
    const Json json = ParseJson(text, "config.json");
    ExpectError(status, {message}, [&] { Quantization::Read(JsonFields(json, "config.json")); });
  };
  for (const char* method : {"gptq", "awq", "bitsandbytes", "fp8", "compressed-tensors"}) {
    const std::string text =
        fmt::format(R"({{"quantization_config":{{"quant_method":"{}","bits":4}}}})", method);
    const std::string message = fmt::format(
        "config.json: quantization_config: quant_method: is '{}', expected weights that are not "
        "quantised, or quantised by MLX",
        method);
    expect(Status::kUnsupported, text.c_str(), message.c_str());
  }
  expect(Status::kUnsupported, R"({"text_config":{"quantization_config":{"quant_method":"gptq"}}})",
         "config.json: text_config: quantization_config: quant_method: is 'gptq'");
  expect(Status::kUnsupported, R"({"quantization":{"bits":7,"group_size":64}})",
         "config.json: quantization: bits: is 7, expected 2, 3, 4, 5, 6, 8 for mode affine");
  expect(Status::kUnsupported, R"({"quantization":{"bits":4,"group_size":16}})",
         "config.json: quantization: group_size: is 16, expected 32, 64, 128 for mode affine");
  expect(Status::kUnsupported, R"({"quantization":{"bits":4,"group_size":16,"mode":"nvfp4"}})",
         "config.json: quantization: mode: is 'nvfp4', expected \"affine\" or \"mxfp4\"");
  expect(Status::kUnsupported, R"({"quantization":{"bits":8,"group_size":32,"mode":"mxfp4"}})",
         "config.json: quantization: bits: is 8, expected 4 for mode mxfp4");
  expect(Status::kFormat, R"({"quantization":{"group_size":64}})",
         "config.json: quantization: bits: is missing, expected integer 1..64");
  expect(Status::kFormat, R"({"quantization":{"bits":4}})",
         "config.json: quantization: group_size: is missing");
  expect(Status::kFormat, R"({"quantization":[4]})", "config.json: quantization: is an array");
  expect(Status::kUnsupported, R"({"quantization":{"bits":4,"group_size":64,"x":3}})",
         "config.json: quantization: 'x': is number, expected an object with bits and group_size");
  expect(Status::kUnsupported, R"({"quantization":{"bits":4,"group_size":64,"m":{"bits":9}}})",
         "config.json: quantization: 'm': bits: is 9, expected 2, 3, 4, 5, 6, 8 for mode affine");
}

}  // namespace
}  // namespace inference
