// Hidden states against norms in double, and their rows alone and together.
#include "ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr float kEps = 1e-5f;

struct Case {
  bool norm, delta;
};

std::vector<double> Normed(std::span<const double> x, const std::vector<float>& weight) {
  double sum = 0.0;
  for (const double value : x) sum += value * value;
  const double inv =
      1.0 / std::sqrt(sum / static_cast<double>(x.size()) + static_cast<double>(kEps));
  std::vector<double> out;
  for (size_t d = 0; d < x.size(); ++d) out.push_back(x[d] * inv * static_cast<double>(weight[d]));
  return out;
}

class NormRowsTest : public testing::Test {
 protected:
  static constexpr int64_t kRows = 5;
  void Make(int64_t D) {
    const auto n = static_cast<size_t>(kRows * D), columns = static_cast<size_t>(D);
    D_ = D;
    x_ = RandomNormal(n, 1, 3.0f);
    delta_ = RandomNormal(n, 2, 0.5f);
    norm_ = RandomNormal(columns, 3);
    delta_norm_ = RandomNormal(columns, 4);
  }
  std::vector<float> Run(Case c, KernelFamily family, int64_t first = 0, int64_t count = kRows) {
    const auto rows = [&](const std::vector<float>& of) {
      return Upload({count, D_},
                    std::vector<float>(of.begin() + first * D_, of.begin() + (first + count) * D_));
    };
    MatmulInput input{.x = rows(x_), .eps = kEps};
    if (c.norm) input.norm_weight = Upload({D_}, norm_);
    if (c.delta) {
      input.delta = rows(delta_);
      input.delta_norm_weight = Upload({D_}, delta_norm_);
    }
    return TestDevice()->Run([&] {
      Recording recording(TestDevice(), family);
      const Tensor y = NormRows(recording, input);
      recording.Run();
      return Download(y.buffer, static_cast<size_t>(count * D_));
    });
  }
  std::vector<double> Want(Case c, int64_t row) const {
    const auto at = static_cast<size_t>(row * D_), n = static_cast<size_t>(D_);
    std::vector<double> x(x_.begin() + row * D_, x_.begin() + (row + 1) * D_);
    if (c.delta) {
      const std::vector<double> delta(delta_.begin() + row * D_, delta_.begin() + (row + 1) * D_);
      const std::vector<double> normed = Normed(delta, delta_norm_);
      for (size_t d = 0; d < n; ++d) x[d] = static_cast<double>(x_[at + d]) + normed[d];
    }
    return c.norm ? Normed(x, norm_) : x;
  }

  int64_t D_ = 0;
  std::vector<float> x_, delta_, norm_, delta_norm_;
};

TEST_F(NormRowsTest, IsWhatDoubleSaysAndARowIsTheSameAlone) {
  for (const int64_t D : {1, 16, 21, 576}) {
    Make(D);
    for (const Case c : {Case{true, false}, {true, true}, {false, true}, {false, false}}) {
      const std::vector<float> got = Run(c, KernelFamily::kCpu);
      EXPECT_EQ(got, Run(c, KernelFamily::kGpu)) << "families differ";
      for (int64_t row = 0; row < kRows; ++row) {
        const std::vector<double> want = Want(c, row);
        for (size_t d = 0; d < want.size(); ++d) {
          EXPECT_NEAR(static_cast<double>(got[static_cast<size_t>(row * D) + d]), want[d],
                      4e-6 * (std::abs(want[d]) + 1.0))
              << "D " << D << " row " << row << " column " << d;
        }
      }
      const std::vector<float> alone = Run(c, KernelFamily::kCpu, 2, 1);
      EXPECT_EQ(alone, std::vector<float>(got.begin() + 2 * D, got.begin() + 3 * D));
    }
  }
}

TEST_F(NormRowsTest, RefusesShapesThatDoNotFit) {
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), KernelFamily::kCpu);
    const Tensor x = Upload({2, 4}, std::vector<float>(8));
    ExpectError(Status::kInternal, {"norm_weight is [3], want [4]"}, [&] {
      NormRows(recording, {.x = x, .norm_weight = Upload({3}, std::vector<float>(3))});
    });
    ExpectError(Status::kInternal, {"delta without a norm weight"},
                [&] { NormRows(recording, {.x = x, .delta = x}); });
  });
}

}  // namespace
}  // namespace inference
