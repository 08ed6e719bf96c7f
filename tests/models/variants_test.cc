// What the models under golden/tiny do not have, against Hugging Face's code: windows, biases,
// stretched rotations, fused projections, sizes that are no multiples of anything.
#include <gtest/gtest.h>

#include "models/describe.h"
#include "models/gguf_parts.h"
#include "models/model_runner.h"
#include "support/matmul_choice.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

constexpr const char* kVariants = INFERENCE_TEST_DATA "/golden/variants/";
constexpr float kTolerance = 2e-4f;  // of the largest |logit|

struct Variant {
  const char* name;
  int64_t context_length = 0;
};

struct Reference {
  Ids ids;
  std::vector<float> logits;  // [T, V]
};

Reference ReadReference(const std::string& name) {
  const TensorSet tensors = OpenSafetensors(kVariants + name + "/logits.safetensors");
  const TensorEntry* entry = tensors.Find("ids");
  Reference out{Ids(entry->bytes / sizeof(int32_t)), ReadTensor(tensors, "logits")};
  tensors.Read(*entry, 0, std::as_writable_bytes(std::span(out.ids)));
  return out;
}

Checkpoint OpenVariant(const std::string& name) { return OpenCheckpoint(kVariants + name + "/"); }

class VariantTest : public testing::TestWithParam<Variant> {};

TEST_P(VariantTest, LogitsAgreeInEveryChunking) {
  const WithMatmulChoice with(kTilesChoice);  // of one size: fewer kernels to build
  const auto [name, context_length] = GetParam();
  const Reference want = ReadReference(name);
  const Checkpoint checkpoint = OpenVariant(name);
  const std::unique_ptr<CausalLm> network = LoadModel(checkpoint, TestDevice(), {}, context_length);
  const std::vector<float> got = AllLogits(*network, want.ids, want.ids.size());
  ASSERT_EQ(got.size(), want.logits.size());
  const Difference worst = Compare(got, want.logits);
  EXPECT_LE(worst.difference, kTolerance * worst.size);
  for (const size_t chunk : {1, 7}) {
    EXPECT_TRUE(AllLogits(*network, want.ids, chunk) == got) << "chunks of " << chunk;
  }
  const Difference others =
      Compare(AllLogits(*network, want.ids, want.ids.size(), KernelFamily::kGpu), want.logits);
  EXPECT_LE(others.difference, kTolerance * others.size) << "kernels of other devices";

  const ModelDescription description = DescribeModel(checkpoint, context_length);
  EXPECT_EQ(description.weights.bytes, network->stats().bytes);
  EXPECT_EQ(description.weights.parameters, network->stats().parameters);
  EXPECT_EQ(description.weights.decode_bytes_per_token, network->stats().decode_bytes_per_token);
}

INSTANTIATE_TEST_SUITE_P(Variants, VariantTest,
                         testing::Values(Variant{"mistral-window"}, Variant{"qwen2-window"},
                                         Variant{"qwen3-bias"}, Variant{"llama-bias-linear"},
                                         Variant{"llama-odd"}, Variant{"llama-yarn"},
                                         Variant{"llama-yarn-mscale"}, Variant{"llama-dynamic"},
                                         Variant{"phi3-window"}, Variant{"phi3-longrope-short", 32},
                                         Variant{"phi3-longrope-long"}, Variant{"gemma2-odd"}),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

std::vector<float> LogitsOfFile(const GgufParts& parts, const Ids& ids, int64_t context_length) {
  const TempDir folder;
  const Checkpoint checkpoint = OpenCheckpoint(folder.Write("model.gguf", parts.Build()));
  return AllLogits(*LoadModel(checkpoint, TestDevice(), {}, context_length), ids, ids.size());
}

// The same models through GGUF, where rotations and fused matrices are said in other words.
TEST(GgufVariants, HaveTheBitsOfTheirFolders) {
  const auto compare = [](const std::string& name, GgufParts parts, int64_t context_length) {
    const Reference want = ReadReference(name);
    const std::unique_ptr<CausalLm> network =
        LoadModel(OpenVariant(name), TestDevice(), {}, context_length);
    EXPECT_TRUE(LogitsOfFile(parts, want.ids, context_length) ==
                AllLogits(*network, want.ids, want.ids.size()))
        << name;
  };
  compare(
      "llama-bias-linear",
      [] {
        GgufParts parts = ConvertFolder(OpenVariant("llama-bias-linear"), "llama");
        parts.keys["llama.rope.scaling.type"] = "linear";
        parts.keys["llama.rope.scaling.factor"] = 4.0f;
        return parts;
      }(),
      0);
  compare(
      "llama-yarn",
      [] {
        GgufParts parts = ConvertFolder(OpenVariant("llama-yarn"), "llama");
        parts.keys["llama.rope.scaling.type"] = "yarn";
        parts.keys["llama.rope.scaling.factor"] = 4.0f;
        parts.keys["llama.rope.scaling.original_context_length"] = 32u;
        return parts;
      }(),
      0);
  compare(
      "phi3-window",
      [] {
        GgufParts parts = ConvertFolder(OpenVariant("phi3-window"), "phi3");
        parts.keys["phi3.attention.sliding_window"] = 13u;
        return parts;
      }(),
      0);
  for (const auto& [name, context_length] :
       {std::pair{"phi3-longrope-short", 32}, std::pair{"phi3-longrope-long", 128}}) {
    GgufParts parts = ConvertFolder(OpenVariant(name), "phi3");
    parts.keys["phi3.rope.dimension_count"] = 12u;
    parts.keys["phi3.rope.scaling.original_context_length"] = 32u;
    parts.keys["phi3.rope.scaling.attn_factor"] =
        static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(32.0)));
    std::vector<float> low, high;
    for (int i = 0; i < 6; ++i) {
      low.push_back(static_cast<float>(1.0 + 0.05 * i));
      high.push_back(static_cast<float>(1.5 + 0.8 * i));
    }
    parts.tensors["rope_factors_short.weight"] = {GgufWriter::kTensorF32, {6}, FloatBytes(low)};
    parts.tensors["rope_factors_long.weight"] = {GgufWriter::kTensorF32, {6}, FloatBytes(high)};
    const Reference want = ReadReference(name);
    const Difference worst = Compare(LogitsOfFile(parts, want.ids, context_length), want.logits);
    EXPECT_LE(worst.difference, kTolerance * worst.size) << name;
  }
}

}  // namespace
}  // namespace inference
