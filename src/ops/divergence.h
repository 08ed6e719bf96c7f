// How the distributions of two rows of logits differ, on the device: a few values a row cross to
// the host, and the last steps are in double.
#pragma once

#include <span>
#include <vector>

#include "ops/score.h"

namespace inference {

struct MovedToken {
  int32_t id = 0;
  double base = 0.0, adapted = 0.0;  // ln of its probability on each side
};

// Natural logarithms. Sums over the vocabulary of float32 terms, as good as sums in double.
struct RowDivergence {
  RowScore base, adapted;   // with the bits of ScoreRows
  double kl = 0.0;          // KL(adapted || base)
  double kl_reverse = 0.0;  // KL(base || adapted)
  double js = 0.0;  // Jensen-Shannon, at most ln 2; rows with the same bits: all three are 0
  // Those whose probability changed most, by the size of the change; lower ids first on a tie.
  // Tokens that did not move are not among them.
  std::vector<MovedToken> moved;
};

// Rows of logits, [.., V]: row t of a piece is base[base_first + t] and adapted[adapted_first + t].
struct LogitsPair {
  Tensor base, adapted;
  int64_t base_first = 0, adapted_first = 0;
};

constexpr int64_t kMaxMoved = 64;

// Values of a row with the `top` tokens that moved most, 0..kMaxMoved.
int64_t DivergenceFloats(int64_t top);

// Of `count` rows and the ids targets[first], targets[first + 1] ..., which the caller has
// range-checked, into rows [first, first + count) of out [T, DivergenceFloats(top)].
void DivergenceRows(Recording& recording, const LogitsPair& logits, int64_t count,
                    const Buffer& targets, int64_t first, int64_t top, const Tensor& out);

// What DivergenceRows left of T rows, its tensor as it was read. Where a side's logits are not
// numbers, its logprob is NaN and nothing else of the row counts.
std::vector<RowDivergence> DivergencesFrom(std::span<const float> rows, int64_t top);

}  // namespace inference
