#include "util/float16.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace inference {
namespace {

// The definition: sign, exponent of five bits, ten of mantissa.
double HalfByDefinition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  double value =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  if (exponent == 31)
    value = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
  return bits & 0x8000 ? -value : value;
}

TEST(Float16, EveryHalfBecomesItsValueAndItselfAgain) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const auto value = static_cast<double>(HalfToFloat(half));
    const double want = HalfByDefinition(half);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(HalfToFloat(half))))) << bits;
    } else {
      EXPECT_EQ(value, want) << bits;
      EXPECT_EQ(std::signbit(value), std::signbit(want)) << bits;
      EXPECT_EQ(FloatToHalf(HalfToFloat(half)), half) << bits;
    }
  }
}

// Between each two neighbours: below the middle down, above it up, on it to the even one.
TEST(Float16, RoundsToNearestEven) {
  for (uint16_t half = 0; half < 0x7BFF; ++half) {
    const float low = HalfToFloat(half), high = HalfToFloat(static_cast<uint16_t>(half + 1));
    const float middle = (low + high) / 2;  // exact in float32
    const auto even = static_cast<uint16_t>(half + half % 2);
    EXPECT_EQ(FloatToHalf(middle), even);
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), half);
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, high)), half + 1);
    EXPECT_EQ(FloatToHalf(-middle), even | 0x8000);
  }
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7C00);  // infinity
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::max()), 0x7C00);
}

TEST(BFloat16, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const auto value = static_cast<uint16_t>(bits);
    EXPECT_EQ(FloatToBFloat(BFloatToFloat(value)), value);
    const auto middle = std::bit_cast<float>((bits << 16) + 0x8000);
    EXPECT_EQ(FloatToBFloat(middle), bits + bits % 2);
    EXPECT_EQ(FloatToBFloat(std::bit_cast<float>((bits << 16) + 0x7FFF)), bits);
    EXPECT_EQ(FloatToBFloat(std::bit_cast<float>((bits << 16) + 0x8001)), bits + 1);
    EXPECT_EQ(FloatToBFloat(-middle), (bits + bits % 2) | 0x8000);
  }
  EXPECT_TRUE(std::isnan(BFloatToFloat(FloatToBFloat(std::nanf("")))));
}

TEST(Floats, OfEachType) {
  const std::array<float, 3> values = {1.0f, -2.5f, 0.1f};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    EXPECT_TRUE(IsHalfOrFloat(dtype));
    std::array<std::byte, 12> bytes{};
    std::array<float, 3> back{};
    const size_t size = 3 * InfoOf(dtype).block_bytes;
    FromFloats(values, dtype, std::span(bytes).first(size));
    ToFloats(dtype, std::span<const std::byte>(bytes).first(size), back);
    EXPECT_EQ(back[0], 1.0f);
    EXPECT_EQ(back[1], -2.5f);
    EXPECT_NEAR(static_cast<double>(back[2]), 0.1, dtype == DType::kF32 ? 1e-8 : 4e-4);
  }
  EXPECT_FALSE(IsHalfOrFloat(DType::kQ8_0));
}

}  // namespace
}  // namespace inference
