// Models with adapters at run time: against peft's logits, against merged weights, and bit for bit
// in every chunking.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "models/adapter_blocks.h"
#include "models/adapter_parts.h"
#include "models/describe.h"
#include "models/gguf_parts.h"
#include "models/model_parts.h"
#include "models/model_runner.h"
#include "support/matmul_choice.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";
constexpr float kTolerance = 2e-4f;  // of the largest |logit|

std::vector<BlockLora> UploadTo(const CausalLm& network, const AdapterFile& file) {
  return UploadAdapter(*TestDevice(), file, network.dims(),
                       [&](int64_t layer) { return network.GateUpAlternates(layer); });
}

// As AllLogits, every token with the adapters and their scales.
std::vector<float> Logits(const CausalLm& network, const Ids& ids, size_t chunk,
                          const std::vector<std::pair<const std::vector<BlockLora>*, float>>& with,
                          std::optional<KernelFamily> family = {}) {
  chunk = std::min(chunk, ids.size());
  ModelRunner runner(network, static_cast<int64_t>(ids.size()), static_cast<int64_t>(chunk),
                     family);
  std::vector<StepAdapter> adapters;
  for (const auto& [blocks, scale] : with) {
    const std::vector<float> coefs(chunk, scale);
    adapters.push_back({blocks, {Upload(std::span<const float>(coefs)), 0}});
  }
  runner.SetAdapters(adapters);
  std::vector<float> out;
  for (size_t at = 0; at < ids.size(); at += chunk) {
    const auto piece = std::span(ids).subspan(at, std::min(chunk, ids.size() - at));
    const std::vector<float> logits = runner.Run(piece, LogitsOf::kAll);
    out.insert(out.end(), logits.begin(), logits.end());
  }
  return out;
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want,
                const std::string& where) {
  ASSERT_EQ(got.size(), want.size());
  const Difference worst = Compare(got, want);
  EXPECT_LE(worst.difference, kTolerance * worst.size) << where;
}

class AdapterModelTest : public testing::TestWithParam<const char*> {};

TEST_P(AdapterModelTest, LogitsAgreeWithPeft) {
  const WithMatmulChoice with(kTilesChoice);
  const std::string folder = kTiny + GetParam();
  const auto network = LoadTestModel(folder + "/model");
  const std::vector<BlockLora> adapter =
      UploadTo(*network, ReadAdapter(folder + "/adapter-peft", network->dims()));
  const TensorSet logits = OpenSafetensors(folder + "/logits_adapter.safetensors");
  const Json prompts = ReadJsonFile(folder + "/golden.json", 1 << 20)["prompts"];
  ASSERT_EQ(prompts.size(), logits.entries().size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Ids ids = prompts[i]["ids"].get<Ids>();
    const std::vector<float> want = ReadTensor(logits, fmt::format("logits.{}", i));
    const std::vector<float> got = Logits(*network, ids, ids.size(), {{&adapter, 1.0f}});
    ExpectNear(got, want, prompts[i]["text"]);
    ExpectNear(Logits(*network, ids, ids.size(), {{&adapter, 1.0f}}, KernelFamily::kGpu), want,
               "GPU");
    for (const size_t chunk : {1, 7}) {
      EXPECT_TRUE(Logits(*network, ids, chunk, {{&adapter, 1.0f}}) == got) << "chunks of " << chunk;
    }
    const std::vector<float> base = AllLogits(*network, ids, ids.size());
    EXPECT_GT(Compare(base, want).difference, 10 * kTolerance * Compare(base, want).size)
        << "the adapter does nothing";
    EXPECT_TRUE(Logits(*network, ids, ids.size(), {{&adapter, 0.0f}}) == base) << "scale 0";
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, AdapterModelTest,
                         testing::Values("llama-gqa", "gemma3-text", "qwen2-bias", "qwen3-qknorm"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// An adapter on all linear layers of all blocks, ranks and scales mixed.
AdapterFile OnEverything(const ModelDims& dims) {
  AdapterFile out;
  for (int64_t layer = 0; layer < dims.num_layers; ++layer) {
    for (int t = 0; t <= static_cast<int>(LoraTarget::kDown); ++t) {
      const auto target = static_cast<LoraTarget>(t);
      const LinearShape shape = ShapeOf(target, dims);
      const int64_t rank = 1 + (layer * 7 + t) % 5;
      const auto seed = static_cast<uint32_t>(100 * layer + 10 * t);
      const float size = 0.3f / std::sqrt(static_cast<float>(shape.in));
      out.modules.push_back({layer, target, rank, 0.5f + 0.25f * static_cast<float>(t),
                             RandomNormal(static_cast<size_t>(rank * shape.in), seed, size),
                             RandomNormal(static_cast<size_t>(shape.out * rank), seed + 1, 0.3f)});
    }
  }
  return out;
}

// The model as float32; the up projections stay in bfloat16 where `mixed`: two types cannot
// alternate in one matrix.
Parts AsFloat(const Parts& parts, bool mixed) {
  Parts out = Merged(parts, {});
  for (auto& [name, part] : out.tensors) {
    if (mixed && name.ends_with("up_proj.weight")) part = parts.tensors.at(name);
  }
  return out;
}

TEST(AdapterOnEverythingTest, IsWhatMergedWeightsGive) {
  const WithMatmulChoice with(kTilesChoice);
  for (const char* model : {"llama-gqa", "gemma3-text"}) {
    const std::string from = kTiny + model + "/model";
    const Ids ids = {5, 17, 130, 7, 42, 99, 3, 250, 18};
    const TempDir merged_folder;
    const Parts parts = Parts::Read(from);
    const AdapterFile file = OnEverything(DescribeModel(OpenCheckpoint(from)).dims);
    const std::vector<float> want = AllLogits(
        *LoadTestModel(Merged(parts, file.modules).Write(merged_folder)), ids, ids.size());
    for (const bool mixed : {false, true}) {
      const TempDir folder;
      const auto network = LoadTestModel(AsFloat(parts, mixed).Write(folder));
      EXPECT_EQ(network->GateUpAlternates(0), !mixed);
      const std::vector<BlockLora> adapter = UploadTo(*network, file);
      uint64_t bytes = 0;
      for (const BlockLora& block : adapter) bytes += block.bytes();
      EXPECT_EQ(bytes, AdapterBytes(file, network->dims()));
      const std::vector<float> got = Logits(*network, ids, ids.size(), {{&adapter, 1.0f}});
      ExpectNear(got, want, model);
      ExpectNear(Logits(*network, ids, ids.size(), {{&adapter, 1.0f}}, KernelFamily::kGpu), want,
                 model);
      ExpectNear(Logits(*network, ids, ids.size(), {{&adapter, 0.25f}, {&adapter, 0.75f}}), want,
                 "two of it");
      for (const size_t chunk : {1, 4}) {
        EXPECT_TRUE(Logits(*network, ids, chunk, {{&adapter, 1.0f}}) == got) << model << chunk;
      }
      const std::vector<float> base = AllLogits(*network, ids, ids.size());
      EXPECT_TRUE(Logits(*network, ids, ids.size(), {{&adapter, 0.0f}}) == base)
          << "rows without an adapter have other bits: " << model;
      const Difference effect = Compare(base, want);
      EXPECT_GT(effect.difference, 100 * kTolerance * effect.size) << "the adapter does nothing";
    }
  }
}

// PEFT's adapter beside weights that stay quantised; its other forms are the same adapter there,
// too.
TEST(AdapterOnQuantisedTest, IsWhatMergedFloatsGive) {
  const WithMatmulChoice with(kTilesChoice);
  for (const char* model : {"llama-gqa", "gemma3-text", "qwen2-bias", "qwen3-qknorm"}) {
    const std::string folder = kTiny + model;
    const auto network = LoadTestModel(folder + "/model-mlx-4bit");
    const AdapterFile file = ReadAdapter(folder + "/adapter-peft", network->dims());
    const TempDir mlx_lm, go_mlx;
    const AdapterParts forms = AdapterParts::Read(folder + "/adapter-peft");
    forms.AsMlxLm().Write(mlx_lm, "adapters.safetensors");
    forms.AsGoMlx().Write(go_mlx, "adapter.safetensors");
    EXPECT_EQ(ReadAdapter(mlx_lm.path(), network->dims()).hash, file.hash) << model;
    EXPECT_EQ(ReadAdapter(go_mlx.path(), network->dims()).hash, file.hash) << model;
    const Parts base = Parts::Read(folder + "/model-mlx-4bit");
    const TempDir plain;
    const auto merged = LoadTestModel(Merged(base, file.modules).Write(plain));
    const std::vector<BlockLora> adapter = UploadTo(*network, file);
    for (const Json& prompt : ReadJsonFile(folder + "/golden.json", 1 << 20)["prompts"]) {
      const Ids ids = prompt["ids"].get<Ids>();
      const std::vector<float> want = AllLogits(*merged, ids, ids.size());
      const std::vector<float> got = Logits(*network, ids, ids.size(), {{&adapter, 1.0f}});
      ExpectNear(got, want, model);
      ExpectNear(Logits(*network, ids, ids.size(), {{&adapter, 1.0f}}, KernelFamily::kGpu), want,
                 model);
      EXPECT_TRUE(Logits(*network, ids, 1, {{&adapter, 1.0f}}) == got) << model;
      const Difference effect = Compare(AllLogits(*network, ids, ids.size()), want);
      EXPECT_GT(effect.difference, 10 * kTolerance * effect.size) << "the adapter does nothing";
    }
  }
}

// GGUF stores the rows of Llama's q and k in another order than what adapters are written for.
TEST(AdapterOnGgufTest, HasTheBitsOfTheFolder) {
  const WithMatmulChoice with(kTilesChoice);
  const std::string from = kTiny + "llama-gqa/model";
  const Checkpoint checkpoint = OpenCheckpoint(from);
  const TempDir folder;
  const auto network = LoadTestModel(from);
  const auto gguf =
      LoadTestModel(folder.Write("model.gguf", ConvertFolder(checkpoint, "llama").Build()));
  const AdapterFile file = OnEverything(network->dims());
  const Ids ids = {5, 17, 130, 7, 42, 99, 3, 250, 18};
  const std::vector<BlockLora> a = UploadTo(*network, file), b = UploadTo(*gguf, file);
  const std::vector<float> want = Logits(*network, ids, ids.size(), {{&a, 1.0f}});
  EXPECT_TRUE(Logits(*gguf, ids, ids.size(), {{&b, 1.0f}}) == want);
}

}  // namespace
}  // namespace inference
