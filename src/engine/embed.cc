#include "engine/embed.h"

#include <cmath>

#include "engine/packed_steps.h"

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

// Length 1 where wanted.
std::vector<float> Finished(const std::vector<double>& sums, size_t states, bool normalize) {
  double squares = 0.0;
  for (const double x : sums) squares += x * x;
  Require(std::isfinite(squares), Status::kNumeric,
          "embedding: the hidden states are not finite numbers");
  const double scale = !normalize      ? 1.0 / static_cast<double>(states)
                       : squares > 0.0 ? 1.0 / std::sqrt(squares)
                                       : 0.0;
  std::vector<float> out;
  out.reserve(sums.size());
  for (const double x : sums) out.push_back(static_cast<float>(x * scale));
  return out;
}

}  // namespace

std::vector<ItemResult<std::vector<float>>> EmbedTexts(Model& model, std::span<const Ids> texts,
                                                       const EmbedOptions& options,
                                                       const CancelFlag* cancel) {
  const ModelDims& dims = model.network().dims();
  const int64_t layers = options.layers.value_or(dims.num_layers);
  Require(layers >= 0 && layers <= dims.num_layers, Status::kArg,
          "embedding: layer is {}, want 0..{}", layers, dims.num_layers);
  options.adapters.CheckModel(model);
  std::vector<ItemResult<std::vector<float>>> results(texts.size());
  std::vector<PackedItem> items;
  std::vector<size_t> which;  // text of each item
  for (size_t i = 0; i < texts.size(); ++i) {
    results[i].error = ItemError([&] { model.CheckText(texts[i]); });
    if (results[i].error) continue;
    // What comes after it does not change the first token's state.
    const Ids ids = options.pooling == Pooling::kFirst ? texts[i].first(1) : texts[i];
    items.push_back(
        {.ids = ids,
         .outputs = options.pooling == Pooling::kMean ? static_cast<int64_t>(ids.size()) : 1,
         .adapters = options.adapters.uses()});
    which.push_back(i);
  }
  const auto D = static_cast<size_t>(dims.hidden_size);
  std::vector<double> sums(D);  // of the item whose states arrive
  std::vector<float> states;
  Executor& executor = model.executor();
  RunPacked(executor, items, executor.max_tokens(), cancel,
            [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
              size_t wanted = 0;
              for (const ExecutorRow& row : rows) wanted += static_cast<size_t>(row.outputs);
              states.resize(wanted * D);
              executor.Hidden(rows, layers, states, cancel);
              auto state = states.begin();
              for (size_t r = 0; r < rows.size(); ++r) {
                const size_t item = outputs[r].item;
                if (outputs[r].first == 0) sums.assign(D, 0.0);
                for (int64_t i = 0; i < rows[r].outputs; ++i) {
                  for (double& sum : sums) sum += static_cast<double>(*state++);
                }
                if (outputs[r].first + rows[r].outputs < items[item].outputs) continue;
                auto& result = results[which[item]];
                result.error = ItemError([&] {
                  result.value =
                      Finished(sums, static_cast<size_t>(items[item].outputs), options.normalize);
                });
              }
            });
  return results;
}

}  // namespace inference
