// Log-probabilities against log-softmax in double.
#include "ops/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/test_device.h"

namespace inference {
namespace {

std::vector<RowScore> Scores(const std::vector<float>& logits, const std::vector<int32_t>& targets,
                             KernelFamily family = KernelFamily::kCpu) {
  const auto T = static_cast<int64_t>(targets.size());
  const auto V = static_cast<int64_t>(logits.size()) / T;
  std::vector<float> rows;
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    const Buffer ids = Upload(std::span<const int32_t>(targets));
    const Tensor out = recording.Temp({T, kScoreFloats});
    // In two pieces, as those do whose logits do not fit.
    const int64_t half = T / 2;
    const auto piece = [&](int64_t first, int64_t n) {
      const auto* from = logits.data() + first * V;
      if (n > 0) {
        ScoreRows(recording, Upload({n, V}, std::vector<float>(from, from + n * V)), ids, first,
                  out);
      }
    };
    piece(0, half);
    piece(half, T - half);
    recording.Run();
    rows = Download(out.buffer, static_cast<size_t>(T * kScoreFloats));
  });
  return ScoresFrom(rows);
}

double Reference(const float* row, int64_t V, int32_t target) {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0.0;
  for (int64_t v = 0; v < V; ++v) largest = std::max(largest, static_cast<double>(row[v]));
  for (int64_t v = 0; v < V; ++v) sum += std::exp(static_cast<double>(row[v]) - largest);
  return static_cast<double>(row[target]) - largest - std::log(sum);
}

TEST(ScoreTest, IsLogSoftmaxInDoubleAtAwkwardSizes) {
  for (const int64_t V : {1, 5, 16, 33, 1000, 49155}) {
    const int64_t T = 3;
    std::vector<float> logits = RandomNormal(static_cast<size_t>(T * V), 7);
    for (float& x : logits) x *= 9.0f;
    const std::vector<int32_t> targets = {0, static_cast<int32_t>(V / 2),
                                          static_cast<int32_t>(V - 1)};
    const auto got = Scores(logits, targets);
    const auto other = Scores(logits, targets, KernelFamily::kGpu);
    for (size_t t = 0; t < 3; ++t) {
      const float* row = &logits[t * static_cast<size_t>(V)];
      EXPECT_NEAR(got[t].logprob, Reference(row, V, targets[t]), 3e-7) << "V " << V << " t " << t;
      EXPECT_EQ(got[t].likeliest, std::max_element(row, row + V) - row) << "V " << V;
      EXPECT_EQ(got[t].logprob, other[t].logprob);
      const auto alone = Scores({row, row + V}, {targets[t]});
      EXPECT_EQ(got[t].logprob, alone[0].logprob) << "a row alone has other bits";
    }
  }
}

// A plain float32 sum of so many small values is off by 1e-5.
TEST(ScoreTest, ManySmallTermsLoseNothing) {
  constexpr int64_t kV = int64_t{1} << 22;
  std::vector<float> logits = RandomNormal(kV, 3);
  for (float& x : logits) x -= 12.0f;
  logits[5] = 0.0f;
  EXPECT_NEAR(Scores(logits, {77})[0].logprob, Reference(logits.data(), kV, 77), 3e-7);
}

TEST(ScoreTest, TiesGoToTheLowestIdAndWhatIsNoNumberIsTold) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> logits(40, 1.0f);
  logits[21] = logits[37] = 5.0f;
  EXPECT_EQ(Scores(logits, {0})[0].likeliest, 21);
  logits[3] = -kInfinity;
  EXPECT_EQ(Scores(logits, {3})[0].logprob, -kInfinity);
  EXPECT_TRUE(std::isfinite(Scores(logits, {4})[0].logprob));
  logits[39] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(Scores(logits, {4})[0].logprob));
  logits[39] = kInfinity;
  EXPECT_TRUE(std::isnan(Scores(logits, {4})[0].logprob));
  EXPECT_TRUE(std::isnan(Scores(std::vector<float>(20, -kInfinity), {4})[0].logprob));
}

}  // namespace
}  // namespace inference
