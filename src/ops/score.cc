#include "ops/score.h"

#include <bit>
#include <cmath>

#include "util/error.h"

namespace inference {

namespace {

// Places in a row, of cl/score_row.cl.
constexpr size_t kLanes = 16, kLargest = 32, kOfTarget = 33, kLikeliest = 34;

}  // namespace

void ScoreRows(Recording& recording, const Tensor& logits, const Buffer& targets, int64_t first,
               const Tensor& scores) {
  Require(logits.shape.size() == 2, Status::kInternal, "score: logits have {} axes, want 2",
          logits.shape.size());
  const int64_t T = logits.dim(0), V = logits.dim(1);
  Require(scores.shape.size() == 2 && scores.dim(1) == kScoreFloats && first >= 0 &&
              first + T <= scores.dim(0),
          Status::kInternal, "score: rows [{}, {}) of scores [{}]", first, first + T,
          fmt::join(scores.shape, ", "));
  const auto values = static_cast<uint64_t>(T * V);
  recording.Launch("score_rows", {"score_row", "score"}, "", T,
                   Work{.what = fmt::format("{} logits", V),
                        .read_bytes = 2 * values * sizeof(float),
                        .written_bytes = static_cast<uint64_t>(T * kScoreFloats) * sizeof(float),
                        .flops = 24 * values},
                   scores.buffer, logits.buffer, targets, static_cast<int32_t>(T),
                   static_cast<int32_t>(V), static_cast<int32_t>(first));
}

ScoreSums::ScoreSums(std::span<const float> row) : row_(row) {
  double sum = 0.0;
  for (size_t i = 0; i < kLanes; ++i) {
    sum += static_cast<double>(row[i]) + static_cast<double>(row[kLanes + i]);
  }
  log_sum_ = std::log(sum);
}

double ScoreSums::Logprob(float logit) const {
  return static_cast<double>(logit) - static_cast<double>(row_[kLargest]) - log_sum_;
}

RowScore ScoreSums::score() const {
  return {Logprob(row_[kOfTarget]), std::bit_cast<int32_t>(row_[kLikeliest])};
}

std::vector<RowScore> ScoresFrom(std::span<const float> rows) {
  std::vector<RowScore> out;
  for (; !rows.empty(); rows = rows.subspan(kScoreFloats)) {
    out.push_back(ScoreSums(rows.first(kScoreFloats)).score());
  }
  return out;
}

}  // namespace inference
