// Texts as vectors: hidden states of a layer, pooled over the tokens. Many in one pass, each with
// the bits it has alone; no keys and values are kept.
#pragma once

#include <memory>

#include "engine/item_result.h"
#include "engine/model.h"

namespace inference {

enum class Pooling { kMean, kLast, kFirst };  // all tokens; the last one; the first one ("cls")

struct EmbedOptions {
  Pooling pooling = Pooling::kMean;
  // Blocks that act: the last one's states are normed as for the head, those of others are the
  // residual stream as it is; 0 is the (scaled) token embeddings.
  std::optional<int64_t> layers;  // none: all
  bool normalize = true;          // to length 1; a vector of zeros stays
  AdapterSet adapters;
};

// [hidden_size] each; sums are in double. NUMERIC for states that are not finite. ARG, of the
// call, where there are not so many layers, and for adapters of another model.
std::vector<ItemResult<std::vector<float>>> EmbedTexts(
    Model& model, std::span<const std::span<const int32_t>> texts, const EmbedOptions& options,
    const CancelFlag* cancel);

}  // namespace inference
