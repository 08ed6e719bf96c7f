// Rows of one step with different adapters, scales and none: the bits of single runs.
#include <gtest/gtest.h>

#include "engine/adapter.h"
#include "engine/tiny_models.h"

namespace inference {
namespace {

struct Row {
  AdapterSet adapters;
  Ids ids;
  std::vector<float> logits = {};  // of all of them
};

// Steps of up to `chunk` ids of each row.
void RunTogether(const std::shared_ptr<Model>& model, std::span<Row> rows, size_t chunk) {
  std::vector<KvSequence> sequences;
  for (size_t i = 0; i < rows.size(); ++i) sequences.emplace_back(model->executor().cache());
  const auto V = static_cast<size_t>(model->network().dims().vocab_size);
  for (size_t done = 0;; done += chunk) {
    std::vector<ExecutorRow> step;
    std::vector<Row*> of;
    size_t outputs = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (done >= rows[i].ids.size()) continue;
      const size_t n = std::min(chunk, rows[i].ids.size() - done);
      step.push_back({&sequences[i], std::span(rows[i].ids).subspan(done, n),
                      static_cast<int64_t>(n), rows[i].adapters.uses()});
      of.push_back(&rows[i]);
      outputs += n;
    }
    if (step.empty()) return;
    std::vector<float> logits(outputs * V);
    model->executor().Logits(step, logits, nullptr);
    auto from = logits.begin();
    for (size_t i = 0; i < step.size(); ++i) {
      const auto end = from + static_cast<std::ptrdiff_t>(step[i].ids.size() * V);
      of[i]->logits.insert(of[i]->logits.end(), from, end);
      from = end;
    }
  }
}

class AdapterBatchTest : public testing::TestWithParam<TinyCase> {};

TEST_P(AdapterBatchTest, EveryRowHasTheBitsOfItsSingleRun) {
  const std::shared_ptr<Model> model = GetParam().Load(384);
  const auto peft = Adapter::Load(
      model, INFERENCE_TEST_DATA "/golden/tiny/" + std::string(GetParam().name) + "/adapter-peft");
  const auto a = Adapter::Null(*peft, {.seed = 1, .init_scale = 0.3}),
             b = Adapter::Null(*peft, {.seed = 2, .init_scale = 0.3});
  const Ids ids = TinyGolden(GetParam().name)["long_ids"].get<Ids>();
  const auto piece = [&](size_t first, size_t n) {
    return Ids(ids.begin() + static_cast<std::ptrdiff_t>(first),
               ids.begin() + static_cast<std::ptrdiff_t>(first + n));
  };
  using Set = std::vector<AdapterUse>;
  std::vector<Row> rows = {{AdapterSet(Set{{peft}}), piece(0, 40)},
                           {AdapterSet(), piece(0, 40)},
                           {AdapterSet(Set{{a, 0.5f}, {b, -1.25f}}), piece(3, 70)},
                           {AdapterSet(Set{{b, 2.0f}}), piece(10, 1)},
                           {AdapterSet(Set{{b}, {peft, 3.0f}, {a, 1.5f}}), piece(0, 66)},
                           {AdapterSet(), piece(20, 9)},
                           {AdapterSet(Set{{peft, 0.25f}}), piece(0, 40)}};
  std::vector<Row> single = rows;
  for (Row& row : single) RunTogether(model, {&row, 1}, 64);
  EXPECT_NE(single[0].logits, single[1].logits);
  EXPECT_NE(single[0].logits, single[6].logits);
  for (const size_t chunk : {1, 7, 64}) {
    std::vector<Row> together = rows;
    RunTogether(model, together, chunk);
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_TRUE(together[i].logits == single[i].logits) << "row " << i << ", chunk " << chunk;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, AdapterBatchTest,
                         testing::Values(TinyCase{"llama-gqa"}, TinyCase{"gemma3-text"},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

}  // namespace
}  // namespace inference
