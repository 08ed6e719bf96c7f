// The functions of cl/common.cl against the same in double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "device/kernel_sources.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr char kCalls[] = R"(
KERNEL void call(__global float* y, GLOBAL float* x, const int n) {
  for (int i = 0; i + 16 <= n; i += 16) store16(FUNCTION(load16(x + i)), y + i);
}
)";

std::vector<float> Call(const std::string& function, const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  const Tensor in = Upload({1, n}, x), out = Upload({1, n}, std::vector<float>(x.size(), -7.0f));
  TestDevice()->Run([&] {
    Kernel kernel = TestDevice()->GetKernelFromSource(
        "call", std::string(KernelSource("common")) + kCalls, "-D GROUP=1 -D FUNCTION=" + function);
    kernel.SetArgs(out.buffer, in.buffer, static_cast<int32_t>(n));
    TestDevice()->Enqueue(kernel, {1, 1});
  });
  return Download(out.buffer, x.size());
}

// Points from -100 to `end`, those around every half of ln 2, and whole vectors of them.
std::vector<float> Points(float end) {
  std::vector<float> x;
  for (float v = -100.0f; v <= end; v += 0.0097f) x.push_back(v);
  for (int n = -250; n <= 250; ++n) {
    const auto at = static_cast<float>(n * 0.34657359027997265);
    for (const float v : {std::nextafter(at, -200.0f), at, std::nextafter(at, 200.0f)}) {
      if (v <= end) x.push_back(v);
    }
  }
  while (x.size() % 16 != 0) x.push_back(0.0f);
  return x;
}

void ExpectExp(const std::vector<float>& x, const std::vector<float>& y) {
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    if (x[i] < -87.33f) {
      EXPECT_EQ(y[i], 0.0f) << x[i];
    } else if (x[i] > 88.37f && x[i] <= 88.72f) {
      EXPECT_GE(y[i], 2.3e38f) << x[i];  // held there, as the comment says
    } else if (x[i] > 88.72f) {
      EXPECT_EQ(y[i], std::numeric_limits<float>::infinity()) << x[i];
    } else {
      EXPECT_LE(std::fabs(static_cast<double>(y[i]) - want), 2 * 1.1920929e-7 * want) << x[i];
    }
  }
}

TEST(CommonTest, ExpIsThatOfDoubleToTwoUlp) {
  const std::vector<float> below = Points(0.0f), all = Points(100.0f);
  ExpectExp(below, Call("exp_of_negative16", below));
  ExpectExp(all, Call("exp16", all));
}

TEST(CommonTest, ExpOfWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16, -1.0f);
  x[0] = -kInfinity;
  x[1] = std::numeric_limits<float>::quiet_NaN();
  x[2] = -3e38f;
  for (const char* function : {"exp_of_negative16", "exp16"}) {
    const std::vector<float> y = Call(function, x);
    EXPECT_EQ(y[0], 0.0f) << function;
    EXPECT_TRUE(std::isnan(y[1])) << function;
    EXPECT_EQ(y[2], 0.0f) << function;
  }
  x[3] = kInfinity;
  EXPECT_EQ(Call("exp16", x)[3], kInfinity);
}

TEST(CommonTest, BothExpsGiveTheSameBits) {
  const std::vector<float> x = Points(0.0f);
  EXPECT_TRUE(Call("exp_of_negative16", x) == Call("exp16", x));
}

}  // namespace
}  // namespace inference
