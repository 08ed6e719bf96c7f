// engine/score.h for many texts at once: packed into steps of several rows, what they begin with
// alike computed once. An item has the same bits as alone, and fails alone.
#pragma once

#include "engine/item_result.h"
#include "engine/score.h"

namespace inference {

struct ScoreItem {
  std::span<const int32_t> context, continuation;
};

// See ScoreContinuation. In order. Afterwards the session holds what all the contexts begin with.
std::vector<ItemResult<Score>> ScoreMany(Session& session, std::span<const ScoreItem> items,
                                         const CancelFlag* cancel);

// See PredictNext.
std::vector<ItemResult<NextTokens>> PredictNextMany(
    Session& session, std::span<const std::span<const int32_t>> contexts, uint64_t top_k,
    const CancelFlag* cancel);

}  // namespace inference
