// Steps of a few rows of one token have programs of their own (cl/matmul_few*.cl, one launch a
// step): each row has the bits that it has alone, with products of several weight types in one
// program, soft caps and biases among them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/tiny_models.h"

namespace inference {
namespace {

const SampleOptions kGreedyOptions;
const SampleRow kGreedy{&kGreedyOptions, 0, {}};
constexpr size_t kMostRows = 17;  // one more than such a step has

// `name`: of a model beside the golden files, or the variable that has the path of a real one.
class FewRowsTest : public testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  std::shared_ptr<Model> Load() const {
    const auto [name, rounds] = GetParam();
    const LoadOptions options{.prefill_chunk = 64, .prefix_cache = 0, .round_activations = rounds};
    if (!std::string_view(name).starts_with("INFERENCE_")) {
      return Model::Load(TestRuntime(), INFERENCE_TEST_DATA "/golden/tiny/" + std::string(name),
                         options, {});
    }
    const char* path = std::getenv(name);
    return path == nullptr ? nullptr : Model::Load(TestRuntime(), path, options, {});
  }
};

Ids PromptOf(size_t row) {
  Ids ids(3 + 5 * row);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>((i * 7 + row * 31) % 450);
  return ids;
}

TEST_P(FewRowsTest, HaveTheBitsOfSingleRows) {
  const std::shared_ptr<Model> model = Load();
  if (model == nullptr) GTEST_SKIP() << std::get<0>(GetParam()) << " is not set";
  const auto V = static_cast<size_t>(model->network().dims().vocab_size);
  std::vector<std::shared_ptr<Session>> prompts;
  std::vector<std::vector<float>> want;
  std::vector<int32_t> picked;
  for (size_t row = 0; row < kMostRows; ++row) {
    prompts.push_back(std::make_shared<Session>(model, 256));
    for (Ids ids = PromptOf(row); !ids.empty();) {
      const size_t n = std::min<size_t>(ids.size(), 64);
      prompts[row]->Prefill(std::span(ids).first(n));
      ids.erase(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(n));
    }
    want.emplace_back(V);
    const Ids next = {static_cast<int32_t>(row + 5)};
    picked.push_back(prompts[row]->Fork()->PrefillAndSample(next, kGreedy, nullptr, want[row]));
  }
  for (const size_t n : {2, 3, 7, 8, 9, 16, 17}) {
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<Ids> ids;
    for (size_t row = 0; row < n; ++row) {
      sessions.push_back(prompts[row]->Fork());
      ids.push_back({static_cast<int32_t>(row + 5)});
    }
    std::vector<ExecutorRow> rows;
    for (size_t row = 0; row < n; ++row) {
      sessions[row]->PrepareStep(ids[row]);
      rows.push_back({&sessions[row]->sequence(), ids[row], 1, {}});
    }
    std::vector<float> logits(n * V);
    const std::vector<SampleRow> samples(n, kGreedy);
    EXPECT_EQ(model->executor().Sample(rows, samples, logits, nullptr),
              std::vector<int32_t>(picked.begin(), picked.begin() + static_cast<ptrdiff_t>(n)));
    for (size_t row = 0; row < n; ++row) {
      EXPECT_TRUE(std::equal(want[row].begin(), want[row].end(),
                             logits.begin() + static_cast<ptrdiff_t>(row * V)))
          << "row " << row << " of " << n;
      sessions[row]->Committed(ids[row]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, FewRowsTest,
    testing::Combine(testing::Values("gemma2/model",  // soft caps, windows
                                     "llama-gqa/model-mlx-4bit", "qwen2-bias/model",
                                     "INFERENCE_SMOLLM2",  // Q4_1, and Q8_0 in the head
                                     "INFERENCE_GEMMA3"),  // Q4_K, Q5_0, Q6_K, Q8_0
                     testing::Bool()));

}  // namespace
}  // namespace inference
