// Real checkpoints against reference results in float32 on the same weights. The files are large
// and not part of the repository: tests are skipped where the environment names none.
#include <gtest/gtest.h>

#include <cstdlib>

#include "models/model_runner.h"

namespace inference {
namespace {

struct RealModel {
  const char* name;      // of the test
  const char* variable;  // of the environment
  const char* golden;
};

class RealModelTest : public testing::TestWithParam<RealModel> {
 protected:
  void SetUp() override {
    const char* path = std::getenv(GetParam().variable);
    if (path == nullptr || *path == '\0') {
      GTEST_SKIP() << GetParam().variable << " does not name a checkpoint";
    }
    golden_ =
        ReadJsonFile(std::string(INFERENCE_TEST_DATA "/golden/real/") + GetParam().golden, 1 << 24);
    network_ = LoadTestModel(path);
  }

  Json golden_;
  std::unique_ptr<CausalLm> network_;
};

double LogProbability(std::span<const float> logits, int32_t id) {
  const double top = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return static_cast<double>(logits[static_cast<size_t>(id)]) - top - std::log(sum);
}

TEST_P(RealModelTest, RollingLogProbabilitiesAgree) {
  const Ids ids = golden_["rolling"]["ids"].get<Ids>();
  const auto want = golden_["rolling"]["logprobs"].get<std::vector<double>>();
  const auto V = static_cast<size_t>(network_->dims().vocab_size);
  const std::vector<float> logits = AllLogits(*network_, ids, 64);
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double got = LogProbability(std::span(logits).subspan(i * V, V), ids[i + 1]);
    EXPECT_NEAR(got, want[i], 1e-3) << "token " << i;
    worst = std::max(worst, std::abs(got - want[i]));
  }
  RecordProperty("worst", fmt::to_string(worst));
}

TEST_P(RealModelTest, GreedyContinuationsAgree) {
  for (const char* set : {"greedy", "chats"}) {
    for (const Json& generated : golden_[set]) {
      const Ids want = generated["out"].get<Ids>();
      const GreedyResult got = Greedy(*network_, generated["ids"].get<Ids>(), want.size());
      for (size_t i = 0; i < want.size(); ++i) {
        if (got.ids[i] != want[i]) {
          EXPECT_LT(got.margins[i], 1e-2f) << set << ", step " << i << " of " << generated["ids"];
          break;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Gguf, RealModelTest,
    testing::Values(RealModel{"SmolLM2", "INFERENCE_SMOLLM2", "smollm2-135m-q4_1.json"},
                    RealModel{"Gemma3", "INFERENCE_GEMMA3", "gemma3-270m-q4_k_m.json"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace inference
