// What follows each of many prompts, in one pass; no keys and values are kept.
#pragma once

#include <memory>

#include "engine/score_many.h"

namespace inference {

struct ClassifyOptions {
  SampleOptions sampling;  // the default is greedy; every prompt is sampled as if it were alone
  bool wants_logits = false;
  AdapterSet adapters;
};

struct Classified {
  int32_t token = kNoToken;
  std::vector<float> logits;  // [vocab_size], where they are wanted
};

// The next token of each prompt. An empty list gives one.
std::vector<ItemResult<Classified>> Classify(const std::shared_ptr<Model>& model,
                                             std::span<const std::span<const int32_t>> prompts,
                                             const ClassifyOptions& options,
                                             const CancelFlag* cancel);

struct LabelScores {
  std::vector<double> logprobs;  // ln of each label's probability after the prompt
  size_t best = 0;               // the first one of the largest
};

// pairs: of each prompt in turn, that with each of `labels` labels (1 or more). A prompt fails with
// the first of its pairs that does. ARG, of the call, for adapters of another model; so above.
std::vector<ItemResult<LabelScores>> ClassifyLabels(const std::shared_ptr<Model>& model,
                                                    std::span<const ScoreItem> pairs, size_t labels,
                                                    const AdapterSet& adapters,
                                                    const CancelFlag* cancel);

}  // namespace inference
