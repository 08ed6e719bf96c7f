#include "engine/classify.h"

#include <algorithm>

#include "engine/shared_steps.h"

namespace inference {

std::vector<ItemResult<Classified>> Classify(const std::shared_ptr<Model>& model,
                                             std::span<const std::span<const int32_t>> prompts,
                                             const ClassifyOptions& options,
                                             const CancelFlag* cancel) {
  Session session(model, 0);
  session.SetAdapters(options.adapters);
  std::vector<ItemResult<Classified>> results(prompts.size());
  std::vector<SharedItem> items;
  std::vector<size_t> which;  // prompt of each item
  for (size_t i = 0; i < prompts.size(); ++i) {
    results[i].error = ItemError([&] { model->CheckText(prompts[i]); });
    if (results[i].error) continue;
    items.push_back({{prompts[i].begin(), prompts[i].end()}, 1});
    which.push_back(i);
  }
  Executor& executor = model->executor();
  const auto V = static_cast<size_t>(model->network().dims().vocab_size);
  std::vector<float> logits;
  const auto step = [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
    std::vector<size_t> sampled;  // prompts that end in this step
    for (size_t r = 0; r < rows.size(); ++r) {
      if (rows[r].outputs > 0) sampled.push_back(which[outputs[r].item]);
    }
    if (sampled.empty()) return executor.Prefill(rows, cancel);
    if (options.wants_logits) logits.resize(sampled.size() * V);
    const std::vector<SampleRow> samples(sampled.size(), {.options = &options.sampling});
    const std::vector<int32_t> tokens = executor.Sample(rows, samples, logits, cancel);
    for (size_t i = 0; i < sampled.size(); ++i) {
      ItemResult<Classified>& result = results[sampled[i]];
      result.value.token = tokens[i];
      if (tokens[i] == kNoToken) {
        result.error =
            Error(Status::kNumeric, "classify: the logits after the prompt are not numbers");
      } else if (options.wants_logits) {
        const auto row = std::span(logits).subspan(i * V, V);
        result.value.logits.assign(row.begin(), row.end());
      }
    }
  };
  RunShared(session, items, executor.logits_rows(), cancel, step);
  return results;
}

std::vector<ItemResult<LabelScores>> ClassifyLabels(const std::shared_ptr<Model>& model,
                                                    std::span<const ScoreItem> pairs, size_t labels,
                                                    const AdapterSet& adapters,
                                                    const CancelFlag* cancel) {
  Require(labels >= 1 && pairs.size() % labels == 0, Status::kInternal,
          "classify: {} pairs of {} labels", pairs.size(), labels);
  Session session(model, 0);
  session.SetAdapters(adapters);
  const std::vector<ItemResult<Score>> scores = ScoreMany(session, pairs, cancel);
  std::vector<ItemResult<LabelScores>> results(pairs.size() / labels);
  for (size_t i = 0; i < scores.size(); ++i) {
    ItemResult<LabelScores>& result = results[i / labels];
    if (scores[i].error && !result.error) result.error = scores[i].error;
    result.value.logprobs.push_back(scores[i].value.total);
  }
  for (ItemResult<LabelScores>& result : results) {
    const std::vector<double>& logprobs = result.value.logprobs;
    result.value.best = static_cast<size_t>(std::ranges::max_element(logprobs) - logprobs.begin());
  }
  return results;
}

}  // namespace inference
