// Log-probabilities of given tokens from rows of logits, on the device: a few values a row cross to
// the host, and the last steps are in double.
#pragma once

#include <span>
#include <vector>

#include "tensor/recording.h"

namespace inference {

struct RowScore {
  double logprob = 0.0;   // ln softmax(logits)[token]; NaN where logits are not numbers
  int32_t likeliest = 0;  // the largest logit, lowest id on a tie
};

// Of logits [n, V] and the ids targets[first], targets[first + 1] ..., which the caller has
// range-checked, into rows [first, first + n) of scores [T, kScoreFloats].
void ScoreRows(Recording& recording, const Tensor& logits, const Buffer& targets, int64_t first,
               const Tensor& scores);

// What ScoreRows left of T rows, its tensor as it was read.
std::vector<RowScore> ScoresFrom(std::span<const float> rows);
constexpr int64_t kScoreFloats = 36;  // of a row

}  // namespace inference
