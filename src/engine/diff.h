// How two sides of one model differ on given texts: the base and what runs under adapters, or any
// two sets of adapters. Both sides are rows of the same steps over one copy of the weights.
#pragma once

#include <memory>

#include "engine/item_result.h"
#include "engine/model.h"

namespace inference {

struct DiffOptions {
  AdapterSet base, adapted;
  // Only what follows the last token, instead of what follows each token but the last.
  bool last_only = false;
  int64_t top_k = 0;  // tokens that moved most, at each position: 0..kMaxMoved
  // Longer texts are compared in windows, as by ScoreRolling. 0: the model's context; 1..window
  // - 1.
  uint64_t window = 0, overlap = 1;
};

struct Diff {
  // [n - 1], or one with last_only: then no token is given, and both logprobs are NaN.
  std::vector<RowDivergence> positions;
};

// In order. Each has the bits that its side's scores have alone, and fails alone: with ARG for ids
// that are not of the vocabulary, or none with last_only; CONTEXT_FULL where a text with last_only
// does not fit; NUMERIC where a side's logits are not numbers, which it names. ARG of the call:
// options out of range, adapters of another model. No keys and values are kept.
std::vector<ItemResult<Diff>> DiffMany(Model& model,
                                       std::span<const std::span<const int32_t>> texts,
                                       const DiffOptions& options, const CancelFlag* cancel);

}  // namespace inference
