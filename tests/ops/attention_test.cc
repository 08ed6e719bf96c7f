// RopeAppend and Attend against plain loops in double, and against themselves: the same bits for
// any chunking of a sequence, alone or in a step with others, full attention and sliding windows,
// whichever pages the keys and values lie in. kv_types_test.cc: of other types than float.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <array>

#include "ops/attention_problem.h"
#include "util/error.h"

namespace inference {
namespace {

class AttentionTest : public testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, MatchesReferenceAndAnyChunkingGivesTheSameBits) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const auto at_once = RunInChunks(p, c.length, KernelFamily::kCpu);
  const auto want = Reference(p);
  ASSERT_EQ(at_once.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(at_once[i]), want[i], 2e-5 * (1 + std::abs(want[i])))
        << "t " << static_cast<int64_t>(i) / (c.heads * c.head_dim);
  }
  EXPECT_EQ(RunInChunks(p, 1, KernelFamily::kCpu), at_once);
  EXPECT_EQ(RunInChunks(p, 7, KernelFamily::kCpu), at_once);
  for (const int64_t chunk : {c.length, int64_t{1}, int64_t{7}}) {
    EXPECT_EQ(RunInChunks(p, chunk, KernelFamily::kGpu), at_once) << "chunks of " << chunk;
  }
}

// Three sequences at different places, one token of one beside chunks of the others.
TEST_P(AttentionTest, InAStepWithOthersTheBitsAreThoseAlone) {
  const AttentionCase c = GetParam();
  const Problem p = MakeProblem(c);
  const auto alone = RunInChunks(p, c.length, KernelFamily::kCpu);
  const int64_t row = c.heads * c.head_dim, blocks = BlocksOf(p);
  for (const KernelFamily family : {KernelFamily::kCpu, KernelFamily::kGpu}) {
    std::vector<std::vector<float>> out(3);
    TestDevice()->Run([&] {
      Layer layer(c, 3 * blocks, family, DType::kF32);
      const std::array<int64_t, 3> chunks = {1, 7, 19};
      std::array<int64_t, 3> done = {0, 0, 0};
      for (int64_t left = 3; left > 0;) {
        std::vector<Layer::Piece> pieces;
        std::vector<size_t> whose;
        for (size_t s = 0; s < 3; ++s) {
          const int64_t T = std::min(chunks[s], c.length - done[s]);
          if (T == 0) continue;
          pieces.push_back({&p, done[s], T, static_cast<int64_t>(s) * blocks});
          whose.push_back(s);
          done[s] += T;
        }
        left = static_cast<int64_t>(pieces.size());
        if (left == 0) break;
        const auto got = layer.Run(pieces);
        for (size_t i = 0; i < whose.size(); ++i) {
          out[whose[i]].insert(out[whose[i]].end(), got[i].begin(), got[i].end());
        }
      }
    });
    for (size_t s = 0; s < 3; ++s) {
      EXPECT_EQ(static_cast<int64_t>(out[s].size()), c.length * row);
      EXPECT_EQ(out[s], alone) << "sequence " << s;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, AttentionTest, testing::ValuesIn(kAttentionCases));

TEST(AttentionCacheTest, SizesThatOverflowAreRefused) {
  EXPECT_EQ(CacheBytes(64, 2, 20, DType::kF32), 64u * 2 * 32 * 4);
  EXPECT_EQ(CacheBytes(64, 2, 20, DType::kF16), 64u * 2 * 32 * 2);
  // A scale for each 32 columns or part of them: heads are padded to 16.
  EXPECT_EQ(CacheBytes(64, 2, 20, DType::kQ8_0), 64u * 2 * (32 + 2));
  EXPECT_EQ(CacheBytes(64, 3, 16, DType::kQ8_0), 64u * 3 * (16 + 2));
  EXPECT_EQ(CacheBytes(64, 3, 80, DType::kQ8_0), 64u * 3 * (80 + 6));
  EXPECT_EQ(CacheBytes(64, 1, 256, DType::kQ8_0), 64u * (256 + 16));
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    EXPECT_THROW(CacheBytes(int64_t{1} << 50, 1 << 10, 1 << 10, type), Error);
    EXPECT_THROW(CacheBytes(64, int64_t{1} << 60, 1 << 10, type), Error);
  }
}

}  // namespace
}  // namespace inference
