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

constexpr int64_t kScoreFloats = 36;  // of a row

// What the device has summed of one row (cl/score_row.cl).
class ScoreSums {
 public:
  explicit ScoreSums(std::span<const float> row);  // [kScoreFloats], borrowed
  double Logprob(float logit) const;               // ln of the probability of a token
  RowScore score() const;

 private:
  std::span<const float> row_;
  double log_sum_ = 0.0;
};

// What ScoreRows left of T rows, its tensor as it was read.
std::vector<RowScore> ScoresFrom(std::span<const float> rows);

}  // namespace inference
