// RopeAppend and Attend against plain loops in double, and against themselves: the same bits for
// any chunking of a sequence, full attention and sliding windows in a ring, keys and values of
// float and of half.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "support/test_device.h"
#include "util/error.h"
#include "util/float16.h"

namespace inference {
namespace {

struct AttentionCase {
  int64_t heads, kv_heads, head_dim, rotary, length, window;
  bool normed;
  float soft_cap = 0.0f;
};

std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  return out << "H" << c.heads << " K" << c.kv_heads << " E" << c.head_dim << " R" << c.rotary
             << " S" << c.length << " W" << c.window << (c.normed ? " normed" : "")
             << (c.soft_cap > 0 ? " capped" : "");
}

constexpr float kEps = 1e-5f;
constexpr float kScale = 0.3f;

struct Problem {
  AttentionCase c;
  std::vector<float> qkv;  // [S, (H + 2K) * E]
  std::vector<float> inv_freq, q_norm, k_norm;
};

Problem MakeProblem(const AttentionCase& c) {
  Problem p{c, {}, {}, {}, {}};
  p.qkv = RandomNormal(static_cast<size_t>(c.length * (c.heads + 2 * c.kv_heads) * c.head_dim), 1);
  for (int64_t i = 0; i < c.rotary / 2; ++i) {
    p.inv_freq.push_back(static_cast<float>(
        std::pow(1e4, -2.0 * static_cast<double>(i) / static_cast<double>(c.rotary))));
  }
  if (c.normed) {
    p.q_norm = RandomNormal(static_cast<size_t>(c.head_dim), 2);
    p.k_norm = RandomNormal(static_cast<size_t>(c.head_dim), 3);
  }
  return p;
}

struct Attended {
  std::vector<float> out;               // [S, H * E]
  std::vector<std::byte> keys, values;  // the cache afterwards
};

std::vector<std::byte> DownloadBytes(const Buffer& buffer) {
  std::vector<std::byte> bytes(buffer.size());
  TestDevice()->Read(buffer, 0, bytes);
  return bytes;
}

// Runs the sequence in chunks.
Attended RunWithCache(const Problem& p, int64_t chunk, int64_t capacity, KernelFamily family,
                      DType type) {
  const AttentionCase& c = p.c;
  const HeadShape shape{c.heads, c.kv_heads, c.head_dim};
  const int64_t columns = (c.heads + 2 * c.kv_heads) * c.head_dim;
  const uint64_t bytes = CacheBytes(capacity, c.kv_heads, c.head_dim, type);
  const CacheView cache{TestDevice()->Allocate(bytes), TestDevice()->Allocate(bytes), capacity,
                        c.window, type};
  RopeOptions options;
  options.eps = kEps;
  if (c.normed) {
    options.q_norm_weight = Upload({c.head_dim}, p.q_norm);
    options.k_norm_weight = Upload({c.head_dim}, p.k_norm);
  }
  const RopeTable rope{Upload({c.rotary / 2}, p.inv_freq), 1.0f};
  Attended result;
  TestDevice()->Run([&] {
    // Slots that were never written must not matter, but for the padding of heads: zeros. All bits
    // set are a NaN of either type.
    const std::vector<std::byte> garbage(bytes, std::byte(c.head_dim % 16 == 0 ? 0xFF : 0));
    TestDevice()->Write(cache.keys, 0, garbage);
    TestDevice()->Write(cache.values, 0, garbage);
    StepBuffer step(*TestDevice(), chunk);
    for (int64_t at = 0; at < c.length; at += chunk) {
      const int64_t T = std::min(chunk, c.length - at);
      const std::vector<int32_t> ids(static_cast<size_t>(T), 0);
      step.Set(*TestDevice(), at, 0, ids);
      const std::vector<float> rows(p.qkv.begin() + at * columns,
                                    p.qkv.begin() + (at + T) * columns);
      Recording recording(TestDevice(), family);
      const Tensor q = RopeAppend(recording, Upload({T, columns}, rows), shape,
                                  RopeAngles(recording, rope, step, T), options, step, cache);
      const Tensor o = Attend(recording, q, shape, {kScale, c.soft_cap}, step, cache);
      recording.Run();
      const auto chunk_out = Download(o.buffer, static_cast<size_t>(T * c.heads * c.head_dim));
      result.out.insert(result.out.end(), chunk_out.begin(), chunk_out.end());
    }
    result.keys = DownloadBytes(cache.keys);
    result.values = DownloadBytes(cache.values);
  });
  return result;
}

std::vector<float> RunInChunks(const Problem& p, int64_t chunk, int64_t capacity,
                               KernelFamily family, DType type = DType::kF32) {
  return RunWithCache(p, chunk, capacity, family, type).out;
}

// Keys and values of a cache that never wrapped, in its padded layouts.
struct Rounded {
  std::vector<float> keys, values;
  int64_t capacity = 0, padded = 0;

  Rounded(const Attended& from, const AttentionCase& c, int64_t slots)
      : keys(from.keys.size() / 2),
        values(from.values.size() / 2),
        capacity(slots),
        padded((c.head_dim + 15) / 16 * 16) {
    ToFloats(DType::kF16, from.keys, keys);
    ToFloats(DType::kF16, from.values, values);
  }
  float Key(int64_t kv, int64_t t, int64_t e) const {
    return keys[static_cast<size_t>(((kv * capacity / 16 + t / 16) * padded + e) * 16 + t % 16)];
  }
  float Value(int64_t kv, int64_t t, int64_t e) const {
    return values[static_cast<size_t>((kv * capacity + t) * padded + e)];
  }
};

// The definition: norm, rotate, softmax over the visible positions, in double. Keys and values are
// those of `rounded` where it is given.
std::vector<double> Reference(const Problem& p, const Rounded* rounded = nullptr) {
  const AttentionCase& c = p.c;
  const int64_t columns = (c.heads + 2 * c.kv_heads) * c.head_dim;
  const auto head = [&](int64_t t, int64_t h, const std::vector<float>* norm, bool rotated) {
    const float* from = p.qkv.data() + t * columns + h * c.head_dim;
    std::vector<double> x(from, from + c.head_dim);
    if (norm != nullptr && !norm->empty()) {
      double squares = 0;
      for (const double v : x) squares += v * v;
      const double inv =
          1 / std::sqrt(squares / static_cast<double>(c.head_dim) + static_cast<double>(kEps));
      for (size_t i = 0; i < x.size(); ++i) x[i] *= inv * static_cast<double>((*norm)[i]);
    }
    for (int64_t i = 0; rotated && i < c.rotary / 2; ++i) {
      const double angle =
          static_cast<double>(t) * static_cast<double>(p.inv_freq[static_cast<size_t>(i)]);
      double &a = x[static_cast<size_t>(i)], &b = x[static_cast<size_t>(i + c.rotary / 2)];
      const double a0 = a, b0 = b;
      a = a0 * std::cos(angle) - b0 * std::sin(angle);
      b = b0 * std::cos(angle) + a0 * std::sin(angle);
    }
    return x;
  };
  std::vector<double> out;
  for (int64_t t = 0; t < c.length; ++t) {
    const int64_t first = c.window > 0 ? std::max<int64_t>(0, t - c.window + 1) : 0;
    for (int64_t h = 0; h < c.heads; ++h) {
      const int64_t kv = h / (c.heads / c.kv_heads);
      const auto q = head(t, h, &p.q_norm, true);
      std::vector<double> scores;
      for (int64_t s = first; s <= t; ++s) {
        auto k = head(s, c.heads + kv, &p.k_norm, true);
        for (size_t e = 0; rounded != nullptr && e < k.size(); ++e) {
          k[e] = static_cast<double>(rounded->Key(kv, s, static_cast<int64_t>(e)));
        }
        const double score =
            std::inner_product(q.begin(), q.end(), k.begin(), 0.0) * static_cast<double>(kScale);
        const auto cap = static_cast<double>(c.soft_cap);
        scores.push_back(cap > 0 ? cap * std::tanh(score / cap) : score);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& s : scores) total += s = std::exp(s - top);
      std::vector<double> o(static_cast<size_t>(c.head_dim));
      for (int64_t s = first; s <= t; ++s) {
        auto v = head(s, c.heads + c.kv_heads + kv, nullptr, false);
        for (size_t e = 0; rounded != nullptr && e < v.size(); ++e) {
          v[e] = static_cast<double>(rounded->Value(kv, s, static_cast<int64_t>(e)));
        }
        for (size_t e = 0; e < o.size(); ++e)
          o[e] += scores[static_cast<size_t>(s - first)] / total * v[e];
      }
      out.insert(out.end(), o.begin(), o.end());
    }
  }
  return out;
}

class AttentionTest : public testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, MatchesReferenceAndAnyChunkingGivesTheSameBits) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const int64_t whole = (c.length + 63) / 64 * 64;
  const auto at_once = RunInChunks(p, c.length, whole, KernelFamily::kCpu);
  const auto want = Reference(p);
  ASSERT_EQ(at_once.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(at_once[i]), want[i], 2e-5 * (1 + std::abs(want[i])))
        << "t " << static_cast<int64_t>(i) / (c.heads * c.head_dim);
  }
  EXPECT_EQ(RunInChunks(p, 1, whole, KernelFamily::kCpu), at_once);
  EXPECT_EQ(RunInChunks(p, 7, whole, KernelFamily::kCpu), at_once);
  for (const int64_t chunk : {c.length, int64_t{1}, int64_t{7}}) {
    EXPECT_EQ(RunInChunks(p, chunk, whole, KernelFamily::kGpu), at_once) << "chunks of " << chunk;
  }
  if (c.window > 0) {  // a ring that holds the window and a chunk is enough
    for (const int64_t chunk : {1, 5, 8}) {
      const int64_t ring = (c.window + chunk + 63) / 64 * 64;
      EXPECT_EQ(RunInChunks(p, chunk, ring, KernelFamily::kCpu), at_once) << "ring of " << ring;
      EXPECT_EQ(RunInChunks(p, chunk, ring, KernelFamily::kGpu), at_once) << "ring of " << ring;
    }
  }
}

// A half of the cache is the float that would be there, rounded to nearest even; all else is as
// with floats.
TEST_P(AttentionTest, HalfKeysAndValuesAreRoundedOnce) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const int64_t whole = (c.length + 63) / 64 * 64;
  const Attended floats = RunWithCache(p, c.length, whole, KernelFamily::kCpu, DType::kF32);
  const Attended halves = RunWithCache(p, c.length, whole, KernelFamily::kCpu, DType::kF16);
  for (const auto& [from, to] :
       {std::pair(floats.keys, halves.keys), {floats.values, halves.values}}) {
    ASSERT_EQ(from.size(), 2 * to.size());
    for (size_t i = 0; i < to.size() / 2; ++i) {
      float value;
      uint16_t half;
      std::memcpy(&value, from.data() + 4 * i, sizeof(value));
      std::memcpy(&half, to.data() + 2 * i, sizeof(half));
      if (std::isnan(value)) continue;  // never written
      ASSERT_EQ(half, FloatToHalf(value)) << value << " at " << i;
    }
  }
  const Rounded rounded(halves, c, whole);
  const auto want = Reference(p, &rounded);
  ASSERT_EQ(halves.out.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(halves.out[i]), want[i], 2e-5 * (1 + std::abs(want[i])))
        << "t " << static_cast<int64_t>(i) / (c.heads * c.head_dim);
  }
  for (const int64_t chunk : {1, 7}) {
    const Attended again = RunWithCache(p, chunk, whole, KernelFamily::kCpu, DType::kF16);
    EXPECT_EQ(again.out, halves.out) << "in chunks of " << chunk;
    EXPECT_EQ(again.keys, halves.keys);
    EXPECT_EQ(again.values, halves.values);
  }
  EXPECT_EQ(RunInChunks(p, c.length, whole, KernelFamily::kGpu, DType::kF16), halves.out);
  EXPECT_EQ(RunInChunks(p, 1, whole, KernelFamily::kGpu, DType::kF16), halves.out);
  if (c.window > 0) {
    const int64_t ring = (c.window + 5 + 63) / 64 * 64;
    EXPECT_EQ(RunInChunks(p, 5, ring, KernelFamily::kCpu, DType::kF16), halves.out);
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
  const Attended got = RunWithCache(p, 1, 64, KernelFamily::kCpu, DType::kF16);
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
  EXPECT_THROW(RunInChunks(p, 1, 64, KernelFamily::kCpu, DType::kBF16), Error);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AttentionTest,
    testing::Values(
        AttentionCase{1, 1, 16, 16, 1, 0, false}, AttentionCase{4, 2, 32, 32, 65, 0, false},
        AttentionCase{9, 3, 64, 64, 150, 0, false}, AttentionCase{4, 1, 256, 256, 70, 0, true},
        AttentionCase{2, 2, 20, 20, 67, 0, false},  // head_dim not a multiple of 16
        AttentionCase{3, 1, 48, 24, 33, 0, true},   // partial rotation
        AttentionCase{4, 1, 32, 32, 300, 12, true},
        AttentionCase{2, 1, 16, 16, 200, 1, false},  // sees only itself
        AttentionCase{2, 1, 80, 80, 200, 64, false}, AttentionCase{2, 2, 16, 16, 200, 65, true},
        AttentionCase{4, 2, 24, 24, 90, 17, false, 2.0f}));

TEST(AttentionCacheTest, SizesThatOverflowAreRefused) {
  EXPECT_EQ(CacheBytes(64, 2, 20, DType::kF32), 64u * 2 * 32 * 4);
  EXPECT_EQ(CacheBytes(64, 2, 20, DType::kF16), 64u * 2 * 32 * 2);
  for (const DType type : {DType::kF32, DType::kF16}) {
    EXPECT_THROW(CacheBytes(int64_t{1} << 50, 1 << 10, 1 << 10, type), Error);
  }
}

}  // namespace
}  // namespace inference
