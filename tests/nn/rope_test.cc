#include "nn/rope.h"

#include <gtest/gtest.h>

namespace inference {
namespace {

TEST(RopeFrequencies, Default) {
  const std::vector<float> got = RopeFrequencies({10000.0, 8, {}});
  ASSERT_EQ(got.size(), 4u);
  EXPECT_FLOAT_EQ(got[0], 1.0f);
  EXPECT_FLOAT_EQ(got[1], 0.1f);
  EXPECT_FLOAT_EQ(got[2], 0.01f);
  EXPECT_FLOAT_EQ(got[3], 0.001f);
}

TEST(RopeFrequencies, LinearDividesAll) {
  const std::vector<float> got =
      RopeFrequencies({10000.0, 4, {.type = RopeScaling::Type::kLinear, .factor = 8.0}});
  EXPECT_FLOAT_EQ(got[0], 0.125f);
  EXPECT_FLOAT_EQ(got[1], 0.00125f);
}

// Values of Llama 3.1's own settings, from Hugging Face's modeling_rope_utils.
TEST(RopeFrequencies, Llama3KeepsShortWavesAndStretchesLongOnes) {
  const RopeScaling scaling{.type = RopeScaling::Type::kLlama3,
                            .factor = 8.0,
                            .low_freq_factor = 1.0,
                            .high_freq_factor = 4.0,
                            .original_max_position_embeddings = 8192};
  const std::vector<float> plain = RopeFrequencies({500000.0, 128, {}});
  const std::vector<float> got = RopeFrequencies({500000.0, 128, scaling});
  EXPECT_EQ(got[0], plain[0]);
  EXPECT_EQ(got[28], plain[28]);  // wavelength 1957 < 8192 / 4
  EXPECT_FLOAT_EQ(got[63], plain[63] / 8);
  for (size_t i = 29; i <= 34; ++i) {  // between wavelengths 2048 and 8192
    EXPECT_LT(got[i], plain[i]) << i;
    EXPECT_GT(got[i], plain[i] / 8) << i;
  }
  const double turns = 8192 * static_cast<double>(plain[32]) / (2 * 3.14159265358979);
  const double smooth = (turns - 1) / 3;
  EXPECT_NEAR(static_cast<double>(got[32]),
              static_cast<double>(plain[32]) * ((1 - smooth) / 8 + smooth), 1e-9);
}

// Qwen 2.5's settings for long texts, and the values of Hugging Face's modeling_rope_utils for
// them.
TEST(RopeFrequencies, YarnKeepsFastOnesAndStretchesSlowOnes) {
  const RopeScaling scaling{
      .type = RopeScaling::Type::kYarn, .factor = 4.0, .original_max_position_embeddings = 32768};
  const std::vector<float> plain = RopeFrequencies({1e6, 128, {}});
  const std::vector<float> got = RopeFrequencies({1e6, 128, scaling});
  EXPECT_EQ(got[23], plain[23]);  // the range is 23 ... 40
  for (size_t i = 24; i < 40; ++i) {
    const double ramp = (static_cast<double>(i) - 23) / (40 - 23);
    EXPECT_NEAR(static_cast<double>(got[i]) / static_cast<double>(plain[i]), 1 - ramp + ramp / 4,
                1e-6)
        << i;
  }
  EXPECT_FLOAT_EQ(got[40], plain[40] / 4);
  EXPECT_FLOAT_EQ(got[63], plain[63] / 4);
}

TEST(RopeFrequencies, FactorsDivideEach) {
  const std::vector<float> got =
      RopeFrequencies({10000.0, 4, {.type = RopeScaling::Type::kFactors, .factors = {2.0, 4.0}}});
  EXPECT_FLOAT_EQ(got[0], 0.5f);
  EXPECT_FLOAT_EQ(got[1], 0.0025f);
}

}  // namespace
}  // namespace inference
