// KL, JS and the tokens that moved against plain loops in double.
#include "ops/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "support/test_device.h"

namespace inference {
namespace {

using Rows = std::vector<std::vector<float>>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> Joined(const Rows& rows) {
  std::vector<float> out;
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
  return out;
}

// In two pieces, the second one of a tensor that holds both sides.
std::vector<RowDivergence> Divergences(const Rows& base, const Rows& adapted,
                                       const std::vector<int32_t>& targets, int64_t top,
                                       KernelFamily family = KernelFamily::kCpu) {
  const auto T = std::ssize(base), V = std::ssize(base[0]), half = T / 2;
  std::vector<float> rows;
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    const Buffer ids = Upload(std::span<const int32_t>(targets));
    const Tensor out = recording.Temp({T, DivergenceFloats(top)});
    const Tensor a = Upload({T, V}, Joined(base)), b = Upload({T, V}, Joined(adapted));
    if (half > 0) DivergenceRows(recording, {a, b}, half, ids, 0, top, out);
    Rows both = base;
    both.insert(both.end(), adapted.begin(), adapted.end());
    const Tensor sides = Upload({2 * T, V}, Joined(both));
    DivergenceRows(recording, {sides, sides, half, T + half}, T - half, ids, half, top, out);
    recording.Run();
    rows = Download(out.buffer, static_cast<size_t>(T * DivergenceFloats(top)));
  });
  return DivergencesFrom(rows, top);
}

RowDivergence Divergence(const std::vector<float>& a, const std::vector<float>& b,
                         int64_t top = 0) {
  return Divergences({a}, {b}, {0}, top)[0];
}

std::vector<double> LogSoftmax(const std::vector<float>& row) {
  const double largest = *std::ranges::max_element(row);
  double sum = 0.0;
  for (const float x : row) sum += std::exp(static_cast<double>(x) - largest);
  std::vector<double> out;
  for (const float x : row) out.push_back(static_cast<double>(x) - largest - std::log(sum));
  return out;
}

struct Reference {
  std::vector<double> base, adapted;
  double kl = 0.0, kl_reverse = 0.0, js = 0.0;
  std::vector<size_t> order;  // of all tokens, by how far their probabilities moved
};

// log1p and expm1, so that near distributions keep their digits.
Reference ReferenceOf(const std::vector<float>& a, const std::vector<float>& b) {
  Reference out{LogSoftmax(a), LogSoftmax(b)};
  std::vector<double> moved;
  for (size_t v = 0; v < a.size(); ++v) {
    const double p = std::exp(out.base[v]), q = std::exp(out.adapted[v]);
    const double d = out.adapted[v] - out.base[v], u = std::tanh(d / 2);
    out.kl += q * (std::expm1(-d) + d);
    out.kl_reverse += p * (std::expm1(d) - d);
    const double rest = std::abs(u) < 1 ? (1 - u) * std::log1p(-u) + (1 + u) * std::log1p(u)
                                        : 2 * std::numbers::ln2;
    out.js += (p + q) / 4 * rest;
    moved.push_back(std::abs(p * std::expm1(d)));
  }
  out.order.resize(a.size());
  std::iota(out.order.begin(), out.order.end(), size_t{0});
  std::ranges::stable_sort(out.order, [&](size_t i, size_t j) { return moved[i] > moved[j]; });
  return out;
}

// The likeliest token of side b lies apart from a's by `size`.
std::vector<float> Near(const std::vector<float>& a, float size, uint32_t seed) {
  std::vector<float> out = RandomNormal(a.size(), seed, size);
  for (size_t i = 0; i < a.size(); ++i) out[i] += a[i];
  return out;
}

void ExpectSame(const RowDivergence& a, const RowDivergence& b) {
  EXPECT_EQ(a.base.logprob, b.base.logprob);
  EXPECT_EQ(a.adapted.logprob, b.adapted.logprob);
  EXPECT_EQ(a.kl, b.kl);
  EXPECT_EQ(a.kl_reverse, b.kl_reverse);
  EXPECT_EQ(a.js, b.js);
  ASSERT_EQ(a.moved.size(), b.moved.size());
  for (size_t i = 0; i < a.moved.size(); ++i) {
    EXPECT_EQ(a.moved[i].id, b.moved[i].id);
    EXPECT_EQ(a.moved[i].base, b.moved[i].base);
    EXPECT_EQ(a.moved[i].adapted, b.moved[i].adapted);
  }
}

void ExpectNear(double got, double want, const std::string& what) {
  EXPECT_NEAR(got, want, 1e-7 + 3e-6 * want) << what;
}

TEST(DivergenceTest, IsWhatLoopsInDoubleGiveAtAwkwardSizes) {
  for (const size_t V : {1, 5, 16, 33, 1000, 49155}) {
    for (const float size : {0.01f, 0.7f, 8.0f}) {
      constexpr size_t kRows = 3;
      constexpr int64_t kTop = 7;
      Rows base, adapted;
      for (uint32_t t = 0; t < kRows; ++t) {
        base.push_back(RandomNormal(V, 10 + t, 4.0f));
        adapted.push_back(Near(base[t], size, 20 + t));
      }
      const std::vector<int32_t> targets = {0, static_cast<int32_t>(V / 2),
                                            static_cast<int32_t>(V - 1)};
      const auto got = Divergences(base, adapted, targets, kTop);
      const auto other = Divergences(base, adapted, targets, kTop, KernelFamily::kGpu);
      for (size_t t = 0; t < kRows; ++t) {
        const Reference want = ReferenceOf(base[t], adapted[t]);
        const std::string where = fmt::format("V {}, size {}, row {}", V, size, t);
        const auto target = static_cast<size_t>(targets[t]);
        EXPECT_NEAR(got[t].base.logprob, want.base[target], 3e-7) << where;
        EXPECT_NEAR(got[t].adapted.logprob, want.adapted[target], 3e-7) << where;
        ExpectNear(got[t].kl, want.kl, where);
        ExpectNear(got[t].kl_reverse, want.kl_reverse, where);
        ExpectNear(got[t].js, want.js, where);
        EXPECT_LE(got[t].js, std::numbers::ln2);
        ASSERT_EQ(got[t].moved.size(), V == 1 ? 0 : std::min<size_t>(kTop, V)) << where;
        for (size_t i = 0; i < got[t].moved.size(); ++i) {
          const MovedToken& moved = got[t].moved[i];
          ASSERT_EQ(moved.id, static_cast<int32_t>(want.order[i])) << where;
          EXPECT_NEAR(moved.base, want.base[want.order[i]], 3e-7);
          EXPECT_NEAR(moved.adapted, want.adapted[want.order[i]], 3e-7);
        }
        ExpectSame(got[t], other[t]);
        ExpectSame(got[t], Divergences({base[t]}, {adapted[t]}, {targets[t]}, kTop)[0]);
      }
    }
  }
}

// What an adapter of scale 1e-4 does is 1e-8: terms that cancel would leave nothing of it.
TEST(DivergenceTest, SmallOnesKeepTheirDigits) {
  const std::vector<float> base = RandomNormal(5000, 1, 3.0f), adapted = Near(base, 1e-3f, 2);
  const Reference want = ReferenceOf(base, adapted);
  const RowDivergence got = Divergence(base, adapted);
  EXPECT_LT(want.kl, 1e-6);
  EXPECT_NEAR(got.kl / want.kl, 1.0, 1e-3);
  EXPECT_NEAR(got.kl_reverse / want.kl_reverse, 1.0, 1e-3);
  EXPECT_NEAR(got.js / want.js, 1.0, 1e-3);
}

// A constant on all logits changes no probability.
TEST(DivergenceTest, IsOfDistributionsAndNotOfLogits) {
  std::vector<float> base = RandomNormal(1000, 1, 3.0f);
  for (float& x : base) x = std::round(x * 1024.0f) / 1024.0f;  // so that the sums are exact
  std::vector<float> moved = base;
  for (float& x : moved) x += 64.0f;
  const RowDivergence got = Divergence(base, moved, 3);
  EXPECT_EQ(got.kl, 0.0);
  EXPECT_EQ(got.js, 0.0);
  EXPECT_TRUE(got.moved.empty());
}

TEST(DivergenceTest, SameRowsAreExactlyNothingApart) {
  const std::vector<float> row = RandomNormal(1003, 5, 6.0f);
  const RowDivergence got = Divergence(row, row, 5);
  EXPECT_EQ(got.kl, 0.0);
  EXPECT_EQ(got.kl_reverse, 0.0);
  EXPECT_EQ(got.js, 0.0);
  EXPECT_EQ(got.base.logprob, got.adapted.logprob);
  EXPECT_TRUE(got.moved.empty());
}

TEST(DivergenceTest, OfWhatHasNothingInCommon) {
  std::vector<float> a(100, -kInfinity), b = a;
  a[3] = a[99] = 1.0f;
  b[40] = 2.0f;
  const RowDivergence apart = Divergence(a, b, 8);
  EXPECT_EQ(apart.kl, kInfinity);
  EXPECT_EQ(apart.kl_reverse, kInfinity);
  EXPECT_NEAR(apart.js, std::numbers::ln2, 1e-7);
  EXPECT_LE(apart.js, std::numbers::ln2);
  ASSERT_EQ(apart.moved.size(), 3u);
  EXPECT_EQ(apart.moved[0].id, 40);
  EXPECT_EQ(apart.moved[0].base, -kInfinity);
  EXPECT_EQ(apart.moved[0].adapted, 0.0);
  EXPECT_EQ(apart.moved[1].id, 3) << "a tie goes to the lower id";
  EXPECT_EQ(apart.moved[2].id, 99);

  b = a;
  b[99] = -kInfinity;  // what q leaves out costs KL(q || p) nothing but ln 2
  const RowDivergence within = Divergence(a, b);
  EXPECT_NEAR(within.kl, std::numbers::ln2, 1e-6);
  EXPECT_EQ(within.kl_reverse, kInfinity);

  std::vector<float> far = RandomNormal(100, 1), near = far;
  far[7] += 200.0f;
  near[7] -= 200.0f;
  const RowDivergence sure = Divergence(near, far);
  EXPECT_NEAR(sure.kl, ReferenceOf(near, far).kl, 1e-3);
  EXPECT_NEAR(sure.js, std::numbers::ln2, 1e-6);
}

TEST(DivergenceTest, WhatIsNoNumberIsToldOfItsSide) {
  const std::vector<float> good = RandomNormal(40, 1);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
    std::vector<float> bad = good;
    bad[30] = value;
    EXPECT_TRUE(std::isnan(Divergence(bad, good, 3).base.logprob));
    EXPECT_FALSE(std::isnan(Divergence(bad, good, 3).adapted.logprob));
    EXPECT_TRUE(std::isnan(Divergence(good, bad, 3).adapted.logprob));
    EXPECT_FALSE(std::isnan(Divergence(good, bad, 3).base.logprob));
  }
}

}  // namespace
}  // namespace inference
