// What ops say that they move and compute, against sums by hand.
#include <gtest/gtest.h>

#include "ops/attention.h"
#include "ops/divergence.h"
#include "ops/embedding.h"
#include "ops/matmul.h"
#include "ops/sample.h"
#include "support/matmul_choice.h"
#include "support/test_step.h"

namespace inference {
namespace {

// The profile of one run at `position` of what `record` records.
template <typename Record>
std::vector<KernelTime> ProfileOf(const Record& record, int64_t position = 0,
                                  KernelFamily family = KernelFamily::kCpu) {
  return TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    record(recording);
    TestDevice()->StartProfile();
    recording.Run(position);
    return TestDevice()->StopProfile();
  });
}

KernelTime Find(const std::vector<KernelTime>& times, const std::string& kernel) {
  for (const KernelTime& time : times) {
    if (time.kernel == kernel) return time;
  }
  ADD_FAILURE() << "no kernel " << kernel;
  return {};
}

Tensor Zeros(const Shape& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  return Upload(shape, std::vector<float>(count));
}

PackedMatrix ZeroMatrix(const WeightFormat& format, int64_t rows, int64_t cols) {
  const std::vector<std::byte> row(StoredRowBytes(format, cols));
  return PackMatrix(*TestDevice(), format, rows, cols,
                    [&](int64_t, int64_t count, std::vector<std::byte>&, const std::byte** out) {
                      std::fill(out, out + count, row.data());
                    });
}

TEST(Work, OfAProductIsItsPackedSize) {
  for (const WeightFormat& format : {WeightFormat(DType::kQ4_1), WeightFormat(DType::kBF16)}) {
    const PackedMatrix W = ZeroMatrix(format, 96, 64);
    for (const KernelFamily family : {KernelFamily::kCpu, KernelFamily::kGpu}) {
      for (const int64_t T : {1, 14, 30}) {
        const Tensor x = Zeros({T, 64}), y = Zeros({T, 96});
        const auto times = ProfileOf(
            [&](Recording& recording) {
              Project(recording, PrepareInput(recording, {.x = x}), W, y);
            },
            0, family);
        const MatmulChoice choice =
            Tuning{}.ForMatmul(TestDevice()->info(), BlockColumns(format) > 1, W.rows, T);
        EXPECT_EQ(choice.kernel, T > 4                                  ? MatmulKernel::kTiles
                                 : format == WeightFormat(DType::kQ4_1) ? MatmulKernel::kLanes
                                                                        : MatmulKernel::kEach);
        const std::string kernel = family == KernelFamily::kGpu
                                       ? std::string(MatmulKernelName(choice.kernel))
                                       : (T == 1    ? "matvec"
                                          : T <= 16 ? "matmul_few"
                                                    : "matmul_panels");
        const KernelTime product = Find(times, kernel);
        EXPECT_EQ(product.launches, 1U);
        EXPECT_EQ(product.work.what, NameOf(format) + " 96x64");
        EXPECT_EQ(product.work.weight_bytes, PackedBytes(format, 96, 64));
        const auto rows = static_cast<uint64_t>(T);
        EXPECT_EQ(product.work.read_bytes, rows * 64 * 4);
        EXPECT_EQ(product.work.written_bytes, rows * 96 * 4);
        EXPECT_EQ(product.work.flops, 2 * rows * 96 * 64);
        if (kernel == "matvec" || kernel == "matmul_few") {
          EXPECT_EQ(times.size(), 1U);
          continue;
        }
        const KernelTime prepare = Find(times, "prepare");
        EXPECT_EQ(prepare.work.read_bytes, rows * 64 * 4);
        EXPECT_EQ(prepare.work.written_bytes, rows * 64 * 4);
        EXPECT_EQ(prepare.work.flops, 0U);
        EXPECT_EQ(times.size(), 2U);
      }
    }
  }
}

// Bias, norms, residual streams and gates count, where there are any.
TEST(Work, OfWhatIsFusedWithAProduct) {
  PackedMatrix W = ZeroMatrix(DType::kF32, 32, 64);
  W.bias = Zeros({32}).buffer;
  const Tensor x = Zeros({1, 64}), norm = Zeros({64});
  const auto times = ProfileOf([&](Recording& recording) {
    const PreparedInput a = PrepareInput(
        recording,
        {.x = x, .norm_weight = norm, .delta = x, .delta_norm_weight = norm, .eps = 1e-5f});
    Project(recording, a, W, Zeros({1, 16}), {.epilogue = Epilogue::kSiluGate});
  });
  const Work work = Find(times, "matvec").work;
  EXPECT_EQ(work.weight_bytes, PackedBytes(DType::kF32, 32, 64) + 32 * 4 + 2 * 64 * 4);
  EXPECT_EQ(work.read_bytes, 2 * 64 * 4U);          // x and delta
  EXPECT_EQ(work.written_bytes, 16 * 4 + 64 * 4U);  // half the rows, and the sum
  EXPECT_EQ(work.flops, 2 * 32 * 64 + 9 * 64U);

  const Tensor y = Zeros({1, 32});
  const Work added = Find(ProfileOf([&](Recording& recording) {
                            Project(recording, PrepareInput(recording, {.x = x}), W, y,
                                    {.epilogue = Epilogue::kAdd, .other = y});
                          }),
                          "matvec")
                         .work;
  EXPECT_EQ(added.read_bytes, 64 * 4 + 32 * 4U);
}

TEST(Work, OfAttentionGrowsWithWhatIsSeen) {
  constexpr HeadShape kHeads{4, 2, 24};  // padded to 32
  StepBuffer buffer(*TestDevice());
  const std::vector<int32_t> ids(3), pages = {0};
  const auto work_at = [&](int64_t position, int64_t T, int64_t window) {
    const uint64_t bytes = CacheBytes(64, kHeads.kv_heads, kHeads.head_dim, DType::kF32);
    const CacheView cache{TestDevice()->Allocate(bytes), TestDevice()->Allocate(bytes), window};
    const StepRow row{position, std::span(ids).first(static_cast<size_t>(T)), 0, {{0, pages}}};
    return Find(ProfileOf(
                    [&](Recording& recording) {
                      TestDevice()->FillZero(cache.keys, 0, bytes);
                      TestDevice()->FillZero(cache.values, 0, bytes);
                      Attend(recording, Zeros({T, 4 * 32}), kHeads, {}, SetStep(buffer, {&row, 1}),
                             cache);
                    },
                    position),
                T == 1 ? "attend_blocks" : "attend")
        .work;
  };
  const Work first = work_at(0, 1, 0), later = work_at(9, 1, 0), chunk = work_at(5, 3, 0);
  EXPECT_EQ(first.what, "4/2 heads of 24");
  EXPECT_EQ(first.flops, 4 * 4 * 24U);
  EXPECT_EQ(later.flops, 10 * first.flops);
  EXPECT_EQ(chunk.flops, (6 + 7 + 8) * first.flops);
  EXPECT_EQ(later.read_bytes, (10 * 2 * 2 * 32 + 4 * 32) * 4U);
  EXPECT_EQ(chunk.read_bytes, (8 * 2 * 2 * 32 + 3 * 4 * 32) * 4U);
  EXPECT_EQ(chunk.written_bytes, 3 * 4 * 24 * 4U);
  const Work windowed = work_at(9, 2, 4);
  EXPECT_EQ(windowed.what, "4/2 heads of 24, window 4");
  EXPECT_EQ(windowed.flops, 8 * first.flops);
  EXPECT_EQ(windowed.read_bytes, (5 * 2 * 2 * 32 + 2 * 4 * 32) * 4U);  // positions 6 to 10
}

TEST(Work, OfTheRest) {
  const PackedMatrix W = ZeroMatrix(DType::kQ8_0, 64, 32);
  StepBuffer buffer(*TestDevice());
  Sampler sampler(*TestDevice(), 64, 1);
  const std::vector<int32_t> ids = {1, 2}, pages = {0};
  const StepRow row{0, ids, 0, {{0, pages}}};
  const Tensor logits = Zeros({1, 64}), qkv = Zeros({2, 8 * 16}), inv_freq = Zeros({4});
  const uint64_t bytes = CacheBytes(64, 2, 16, DType::kF32);
  const CacheView cache{TestDevice()->Allocate(bytes), TestDevice()->Allocate(bytes)};
  const auto times = ProfileOf([&](Recording& recording) {
    const SampleOptions greedy;
    const SampleRow sample{&greedy, 0, {}};
    EXPECT_FALSE(sampler.Set(*TestDevice(), {&sample, 1}));
    const Step step = SetStep(buffer, {&row, 1});
    Embed(recording, W, step, 1.0f);
    RopeAppend(recording, qkv, {4, 2, 16}, RopeAngles(recording, {inv_freq, 1.0f}, step), {}, step,
               cache);
    sampler.Record(recording, logits);
  });
  const Work embed = Find(times, "embed").work;
  EXPECT_EQ(embed.weight_bytes, 2 * StoredRowBytes(DType::kQ8_0, 32));
  EXPECT_EQ(embed.written_bytes, 2 * 32 * 4U);
  const Work rope = Find(times, "rope_append").work;
  EXPECT_EQ(rope.read_bytes, (2 * 8 * 16 + 2 * 2 * 4) * 4U);
  EXPECT_EQ(rope.written_bytes, 2 * 8 * 16 * 4U);
  EXPECT_EQ(rope.flops, 2 * 6 * 6 * 4U);  // queries and keys, four pairs each
  EXPECT_EQ(Find(times, "sample_partial").work.read_bytes, 64 * 4U);
  EXPECT_EQ(Find(times, "sample_pick").launches, 1U);
}

// Two passes over each row for its softmax, one over both for what lies between them.
TEST(Work, OfADivergence) {
  const Tensor logits = Zeros({4, 64}), targets = Zeros({2});
  const Work work = Find(ProfileOf([&](Recording& recording) {
                           DivergenceRows(recording, {logits, logits, 0, 2}, 2, targets.buffer, 0,
                                          3, Zeros({2, DivergenceFloats(3)}));
                         }),
                         "divergence_rows")
                        .work;
  EXPECT_EQ(work.what, "64 logits");
  EXPECT_EQ(work.read_bytes, 3 * 4 * 64 * 4U);
  EXPECT_EQ(work.written_bytes, 2 * (168 + 3 * 4) * 4U);
  EXPECT_EQ(work.flops, 2 * 64 * 100U);
}

// One launch a token gives way to a launch for each kernel while a profile runs, and comes back.
TEST(Work, OfARecordingThatIsOneLaunchOtherwise) {
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), KernelFamily::kCpu);
    recording.UseOneLaunch();
    const PackedMatrix W{
        DType::kF32, 32, 32, TestDevice()->Allocate(PackedBytes(DType::kF32, 32, 32)), {}};
    TestDevice()->FillZero(W.data, 0, W.data.size());
    const Tensor x = Zeros({1, 32}), y = Zeros({1, 32});
    for (int i = 0; i < 3; ++i) Project(recording, PrepareInput(recording, {.x = x}), W, y);
    recording.Run();
    TestDevice()->StartProfile();
    recording.Run();
    const auto times = TestDevice()->StopProfile();
    ASSERT_EQ(times.size(), 1U);
    EXPECT_EQ(times[0].launches, 3U);
    recording.Run();
    TestDevice()->Finish();
  });
}

}  // namespace
}  // namespace inference
