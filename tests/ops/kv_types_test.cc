// Keys and values in half precision and in bytes: rounded once, when they are appended, and
// attention over them as over floats.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "ops/attention_problem.h"
#include "util/error.h"

namespace inference {
namespace {

class KvTypesTest : public testing::TestWithParam<AttentionCase> {};

// What is expected of a cache of other types, beside how it rounds: all else is as with floats.
void ExpectLikeFloats(const Problem& p, const Attended& got, DType type) {
  const AttentionCase& c = p.c;
  const Stored rounded(got, c, type);
  const auto want = Reference(p, &rounded);
  ASSERT_EQ(got.out.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got.out[i]), want[i], 2e-5 * (1 + std::abs(want[i])))
        << "t " << static_cast<int64_t>(i) / (c.heads * c.head_dim);
  }
  for (const int64_t chunk : {1, 7}) {
    const Attended again = RunWithCache(p, chunk, KernelFamily::kCpu, type);
    EXPECT_EQ(again.out, got.out) << "in chunks of " << chunk;
    EXPECT_EQ(again.keys, got.keys);
    EXPECT_EQ(again.values, got.values);
  }
  EXPECT_EQ(RunInChunks(p, c.length, KernelFamily::kGpu, type), got.out);
  EXPECT_EQ(RunInChunks(p, 1, KernelFamily::kGpu, type), got.out);
}

// A half of the cache is the float that would be there, rounded to nearest even.
TEST_P(KvTypesTest, HalfKeysAndValuesAreRoundedOnce) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const Attended floats = RunWithCache(p, c.length, KernelFamily::kCpu, DType::kF32);
  const Attended halves = RunWithCache(p, c.length, KernelFamily::kCpu, DType::kF16);
  const Stored exact(floats, c, DType::kF32), rounded(halves, c, DType::kF16);
  for (int64_t kv = 0; kv < c.kv_heads; ++kv) {
    for (int64_t t = 0; t < c.length; ++t) {
      for (int64_t e = 0; e < c.head_dim; ++e) {
        ASSERT_EQ(rounded.Key(kv, t, e), HalfToFloat(FloatToHalf(exact.Key(kv, t, e))));
        ASSERT_EQ(rounded.Value(kv, t, e), HalfToFloat(FloatToHalf(exact.Value(kv, t, e))));
      }
    }
  }
  ExpectLikeFloats(p, halves, DType::kF16);
}

// x[0, n) share a scale: the least half that is no less than the largest / 127. What is stored of
// each is the nearest multiple.
void ExpectRounded(std::span<const float> x, std::span<const float> stored, float scale) {
  float largest = 0;
  for (const float v : x) largest = std::max(largest, std::abs(v));
  ASSERT_GE(127.0001 * static_cast<double>(scale), static_cast<double>(largest));
  const auto step = static_cast<float>(0x1p-24);
  ASSERT_LE(scale, std::max(largest / 127 * 1.001f, largest / 127 + step)) << largest;
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_LE(std::abs(stored[i] - x[i]), scale * 0.50001f) << x[i];
    ASSERT_LE(std::abs(stored[i]), scale * 127);
  }
}

// Bytes of the cache are the floats that would be there, by blocks of 32 columns of a head.
TEST_P(KvTypesTest, Q8KeysAndValuesAreRoundedOnceByBlocks) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const Attended floats = RunWithCache(p, c.length, KernelFamily::kCpu, DType::kF32);
  const Attended bytes = RunWithCache(p, c.length, KernelFamily::kCpu, DType::kQ8_0);
  const Stored exact(floats, c, DType::kF32), rounded(bytes, c, DType::kQ8_0);
  for (int64_t kv = 0; kv < c.kv_heads; ++kv) {
    for (int64_t t = 0; t < c.length; ++t) {
      for (int64_t first = 0; first < c.head_dim; first += 32) {
        std::vector<float> keys, values, stored_keys, stored_values;
        for (int64_t e = first; e < std::min(first + 32, c.head_dim); ++e) {
          keys.push_back(exact.Key(kv, t, e));
          values.push_back(exact.Value(kv, t, e));
          stored_keys.push_back(rounded.Key(kv, t, e));
          stored_values.push_back(rounded.Value(kv, t, e));
        }
        ExpectRounded(keys, stored_keys, rounded.KeyScale(kv, t, first));
        ExpectRounded(values, stored_values, rounded.ValueScale(kv, t, first));
      }
    }
  }
  ExpectLikeFloats(p, bytes, DType::kQ8_0);
}

// One position of one head of 48: blocks of 32 columns and of 16, with `values` as keys and values.
struct OnePosition {
  Problem p{{1, 1, 48, 2, 1, 0, false}, {}, {0.0f}, {}, {}};
  Attended got;

  explicit OnePosition(const std::vector<float>& values) {
    p.qkv.assign(48, 1.0f);
    for (int part = 0; part < 2; ++part) p.qkv.insert(p.qkv.end(), values.begin(), values.end());
    got = RunWithCache(p, 1, KernelFamily::kCpu, DType::kQ8_0);
    EXPECT_EQ(std::isnan(got.out[0]),
              std::isnan(RunInChunks(p, 1, KernelFamily::kGpu, DType::kQ8_0)[0]));
  }
  Stored stored() const { return {got, p.c, DType::kQ8_0}; }
};

TEST(Q8CacheTest, SmallBlocksKeepWhatHalvesCanSay) {
  for (const float largest :
       {0.0f, 1e-30f, 1e-9f, 1e-7f, 1e-6f, 3e-5f, 1e-3f, 0.1f, 3e4f, 8.3e6f}) {
    std::vector<float> x(48);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = largest * (1 - static_cast<float>(i) / 20) * (i < 32 ? 1.0f : 0.25f);
    }
    const OnePosition one(x);
    std::vector<float> values;
    for (int64_t e = 0; e < 48; ++e) values.push_back(one.stored().Value(0, 0, e));
    ExpectRounded(std::span(x).first(32), std::span(values).first(32),
                  one.stored().ValueScale(0, 0, 0));
    ExpectRounded(std::span(x).last(16), std::span(values).last(16),
                  one.stored().ValueScale(0, 0, 32));
  }
}

// Whatever is not finite, or has no scale, does not become a number.
TEST(Q8CacheTest, WhatIsNotFiniteStaysSo) {
  for (const float bad : {NAN, INFINITY, -INFINITY, 8.4e6f}) {
    std::vector<float> x(48, 1.0f);
    x[40] = bad;
    const OnePosition one(x);
    EXPECT_FALSE(std::isfinite(one.stored().ValueScale(0, 0, 40))) << bad;
    EXPECT_FALSE(std::isfinite(one.stored().KeyScale(0, 0, 40))) << bad;
    EXPECT_TRUE(std::isnan(one.got.out[0])) << bad;  // of the score
    std::vector<float> second_block(one.got.out.begin() + 32, one.got.out.end());
    EXPECT_TRUE(std::ranges::all_of(second_block, [](float v) { return std::isnan(v); })) << bad;
  }
}

// Ties, denormals, the largest half and what is beyond it.
TEST(HalfCacheTest, EdgesRoundAsHardwareDoes) {
  Problem p{{1, 1, 16, 2, 1, 0, false}, {}, {0.0f}, {}, {}};
  const std::vector<float> edges = {0.0f,     -0.0f,    1.0f + 0x1p-11f, 1.0f + 0x3p-11f,
                                    65504.0f, 65519.0f, 0x1p-24f,        0x1p-25f,
                                    0x3p-26f, 0x1p-14f, 0x1.ffcp-15f,    -0x1.ffffp-15f,
                                    1e-30f,   0.1f,     -65504.0f,       65520.0f};
  for (int part = 0; part < 3; ++part) p.qkv.insert(p.qkv.end(), edges.begin(), edges.end());
  const Attended got = RunWithCache(p, 1, KernelFamily::kCpu, DType::kF16);
  for (size_t e = 0; e < edges.size(); ++e) {
    uint16_t key, value;
    std::memcpy(&key, got.keys.data() + 2 * 16 * e, sizeof(key));
    std::memcpy(&value, got.values.data() + 2 * e, sizeof(value));
    EXPECT_EQ(value, FloatToHalf(edges[e])) << edges[e];
    if (edges[e] == 0.0f) continue;  // the rotation may turn its sign
    EXPECT_EQ(key, FloatToHalf(edges[e])) << edges[e];
  }
}

TEST(HalfCacheTest, OtherTypesAreRefused) {
  const Problem p = MakeProblem({1, 1, 16, 16, 1, 0, false});
  EXPECT_THROW(RunInChunks(p, 1, KernelFamily::kCpu, DType::kBF16), Error);
}

INSTANTIATE_TEST_SUITE_P(Cases, KvTypesTest, testing::ValuesIn(kAttentionCases));

}  // namespace
}  // namespace inference
