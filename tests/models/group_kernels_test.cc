// Whole models by the kernels of work-groups, which GPUs run: against the logits of Hugging Face's
// code, and against the bits of the kernels of CPU devices.
#include <gtest/gtest.h>

#include <set>

#include "models/model_runner.h"
#include "support/matmul_choice.h"

namespace inference {
namespace {

constexpr float kTolerance = 2e-4f;  // of the largest |logit|

struct GroupCase {
  const char* name;
  const char* model;   // a folder of golden/tiny
  const char* logits;  // a file of golden/tiny
  MatmulChoice choice;
  const char* kernel;
};

class GroupKernelsTest : public testing::TestWithParam<GroupCase> {
 protected:
  // Logits of every position, with at most `chunk` tokens a step, and which kernels ran.
  std::vector<float> Logits(const Ids& ids, size_t chunk) {
    TestDevice()->Run([] { TestDevice()->StartProfile(); });
    std::vector<float> out = AllLogits(*network_, ids, chunk, KernelFamily::kGpu);
    for (const KernelTime& time : TestDevice()->Run([] { return TestDevice()->StopProfile(); })) {
      kernels_.insert(time.kernel);
    }
    return out;
  }

  const std::string tiny_ = INFERENCE_TEST_DATA "/golden/tiny/";
  const std::unique_ptr<CausalLm> network_ = LoadTestModel(tiny_ + GetParam().model);
  std::set<std::string> kernels_;
};

TEST_P(GroupKernelsTest, LogitsAreThoseOfTheReferenceAndTheBitsThoseOfOtherKernels) {
  const WithMatmulChoice with(GetParam().choice);
  const std::string folder = tiny_ + std::string(GetParam().model) + "/../";
  const TensorSet logits = OpenSafetensors(tiny_ + GetParam().logits);
  const Json prompts = ReadJsonFile(folder + "golden.json", 1 << 20)["prompts"];
  ASSERT_FALSE(prompts.empty());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Ids ids = prompts[i]["ids"].get<Ids>();
    const std::vector<float> want = ReadTensor(logits, fmt::format("logits.{}", i));
    const std::vector<float> cpu = AllLogits(*network_, ids, ids.size(), KernelFamily::kCpu);
    for (const size_t chunk : {ids.size(), size_t{1}, size_t{7}}) {
      const std::vector<float> got = Logits(ids, chunk);
      ASSERT_EQ(got.size(), want.size());
      const Difference worst = Compare(got, want);
      EXPECT_LE(worst.difference, kTolerance * worst.size) << i << " in chunks of " << chunk;
      EXPECT_TRUE(got == cpu) << i << " in chunks of " << chunk << ": off by "
                              << Compare(got, cpu).difference;
    }
  }
  for (const char* kernel :
       {GetParam().kernel, "attend_tile_group", "attend_block_group", "attend_merge_group"}) {
    EXPECT_TRUE(kernels_.contains(kernel)) << kernel << " did not run";
  }
  for (const char* kernel :
       {"matmul_each", "matvec_group", "matmul_group", "matvec", "matmul_panels"}) {
    if (kernel != std::string(GetParam().kernel)) {
      EXPECT_FALSE(kernels_.contains(kernel)) << kernel << " ran";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, GroupKernelsTest,
                         testing::Values(GroupCase{"lanes", "llama-gqa/model-mlx-4bit",
                                                   "llama-gqa/logits-mlx-4bit.safetensors",
                                                   kLanesChoice, "matvec_group"},
                                         GroupCase{"tiles", "llama-gqa/model-mlx-4bit",
                                                   "llama-gqa/logits-mlx-4bit.safetensors",
                                                   kTilesChoice, "matmul_group"},
                                         GroupCase{"tiles_capped_with_windows", "gemma2/model",
                                                   "gemma2/logits.safetensors", kTilesChoice,
                                                   "matmul_group"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace inference
