#include "ops/divergence.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "util/error.h"

namespace inference {

namespace {

// Places in a row, of cl/divergence.cl.
constexpr size_t kLanes = 16, kSums = 2 * kScoreFloats, kMovedFirst = kSums + 3 * 2 * kLanes;
constexpr size_t kMovedFloats = 4;

// A sum by lanes with what rounding took from them; infinite where a lane is.
double SumOf(std::span<const float> lanes) {
  double sum = 0.0;
  for (size_t i = 0; i < kLanes; ++i) {
    sum += static_cast<double>(lanes[i]);
    if (std::isfinite(lanes[i])) sum += static_cast<double>(lanes[kLanes + i]);
  }
  return sum;
}

RowDivergence RowFrom(std::span<const float> row) {
  RowDivergence out;
  const ScoreSums base(row.first(kScoreFloats)), adapted(row.subspan(kScoreFloats, kScoreFloats));
  out.base = base.score();
  out.adapted = adapted.score();
  const auto sum = [&](size_t i) { return SumOf(row.subspan(kSums + i * 2 * kLanes, 2 * kLanes)); };
  out.kl = sum(0);
  out.kl_reverse = sum(1);
  out.js = std::min(sum(2), std::numbers::ln2);
  for (size_t at = kMovedFirst; at < row.size(); at += kMovedFloats) {
    const auto id = std::bit_cast<int32_t>(row[at + 1]);
    if (id < 0) break;
    out.moved.push_back({id, base.Logprob(row[at + 2]), adapted.Logprob(row[at + 3])});
  }
  return out;
}

}  // namespace

int64_t DivergenceFloats(int64_t top) {
  return static_cast<int64_t>(kMovedFirst) + static_cast<int64_t>(kMovedFloats) * top;
}

void DivergenceRows(Recording& recording, const LogitsPair& logits, int64_t count,
                    const Buffer& targets, int64_t first, int64_t top, const Tensor& out) {
  const auto holds = [&](const Tensor& side, int64_t from) {
    return side.shape.size() == 2 && from >= 0 && from + count <= side.dim(0);
  };
  Require(holds(logits.base, logits.base_first) && holds(logits.adapted, logits.adapted_first) &&
              logits.base.dim(1) == logits.adapted.dim(1),
          Status::kInternal, "divergence: {} rows from {} of [{}] and from {} of [{}]", count,
          logits.base_first, fmt::join(logits.base.shape, ", "), logits.adapted_first,
          fmt::join(logits.adapted.shape, ", "));
  Require(top >= 0 && top <= kMaxMoved && out.shape.size() == 2 &&
              out.dim(1) == DivergenceFloats(top) && first >= 0 && first + count <= out.dim(0),
          Status::kInternal, "divergence: rows [{}, {}) with {} tokens of [{}]", first,
          first + count, top, fmt::join(out.shape, ", "));
  const int64_t V = logits.base.dim(1);
  const auto values = static_cast<uint64_t>(count * V);
  recording.Launch(
      "divergence_rows", {"score_row", "divergence"}, "", count,
      Work{.what = fmt::format("{} logits", V),
           .read_bytes = 2 * 3 * values * sizeof(float),
           .written_bytes = static_cast<uint64_t>(count * DivergenceFloats(top)) * sizeof(float),
           .flops = 100 * values},
      out.buffer, logits.base.buffer, logits.adapted.buffer, targets, static_cast<int32_t>(count),
      static_cast<int32_t>(V), static_cast<int32_t>(first), static_cast<int32_t>(logits.base_first),
      static_cast<int32_t>(logits.adapted_first), static_cast<int32_t>(top));
}

std::vector<RowDivergence> DivergencesFrom(std::span<const float> rows, int64_t top) {
  std::vector<RowDivergence> out;
  const auto size = static_cast<size_t>(DivergenceFloats(top));
  for (; !rows.empty(); rows = rows.subspan(size)) out.push_back(RowFrom(rows.first(size)));
  return out;
}

}  // namespace inference
