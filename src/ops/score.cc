#include "ops/score.h"

#include <bit>
#include <cmath>

#include "util/error.h"

namespace inference {

namespace {

// Places in a row, of cl/score.cl.
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
  recording.Launch("score_rows", {"score"}, "", T,
                   Work{.what = fmt::format("{} logits", V),
                        .read_bytes = 2 * values * sizeof(float),
                        .written_bytes = static_cast<uint64_t>(T * kScoreFloats) * sizeof(float),
                        .flops = 24 * values},
                   scores.buffer, logits.buffer, targets, static_cast<int32_t>(T),
                   static_cast<int32_t>(V), static_cast<int32_t>(first));
}

std::vector<RowScore> ScoresFrom(std::span<const float> rows) {
  std::vector<RowScore> out;
  for (; !rows.empty(); rows = rows.subspan(kScoreFloats)) {
    double sum = 0.0;
    for (size_t i = 0; i < kLanes; ++i) {
      sum += static_cast<double>(rows[i]) + static_cast<double>(rows[kLanes + i]);
    }
    const double shifted =
        static_cast<double>(rows[kOfTarget]) - static_cast<double>(rows[kLargest]);
    out.push_back({shifted - std::log(sum), std::bit_cast<int32_t>(rows[kLikeliest])});
  }
  return out;
}

}  // namespace inference
