// One launch for a whole recording: the bits of a launch for each node, whether the groups meet or
// not.
#include "tensor/resident.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/test_step.h"
#include "tensor/recording.h"
#include "tensor/step_buffer.h"

namespace inference {
namespace {

using testing::HasSubstr;

TEST(ResidentSource, EveryKernelHasNamesOfItsOwn) {
  const std::vector<std::string> files = {"step", "weights", "embedding"};
  const std::vector<PhaseKernel> kernels = {{"embed", files, "-D TYPE_F32"},
                                            {"embed", files, "-D TYPE_Q4_1"},
                                            {"sample_pick", {"sample_filters", "sample"}, ""},
                                            {"sample_partial", {"sample_filters", "sample"}, ""}};
  const std::string source = ResidentSource(kernels);
  EXPECT_THAT(source, HasSubstr("case 0: embed_0(part, parts, (__global float*)a[0], (GLOBAL "
                                "uchar*)a[1], (GLOBAL int*)a[2], (int)a[3], (int)a[4], "
                                "as_float((uint)a[5])); return;"));
  EXPECT_THAT(source, HasSubstr("case 1: embed_1("));
  EXPECT_THAT(source, HasSubstr("case 3: sample_partial_2("));  // of the same files as case 2
  EXPECT_THAT(source, HasSubstr("#define TYPE_Q4_1 1\n"));
  EXPECT_THAT(source, HasSubstr("#undef TYPE_Q4_1\n"));
  EXPECT_THAT(source, testing::Not(HasSubstr("KERNEL void embed")));
}

TEST(ResidentSource, WhatIsNotThereIsNamed) {
  const std::vector<PhaseKernel> no_kernel = {{"absent", {"sample"}, ""}};
  ExpectError(Status::kInternal, {"no kernel absent in its files"},
              [&] { ResidentSource(no_kernel); });
  const std::vector<PhaseKernel> no_file = {{"embed", {"absent"}, ""}};
  ExpectError(Status::kInternal, {"no kernel source absent.cl"}, [&] { ResidentSource(no_file); });
}

// A chain of phases: x[t] = 2 * (row t of x), again and again, by embedding the rows of a table
// that the phase before wrote.
constexpr int64_t kRows = 16, kColumns = 32;
constexpr int kPhases = 40;

struct Chain {
  std::vector<Buffer> tables;
  std::vector<Phase> phases;
};

Chain MakeChain(const Step& step) {
  Chain out;
  for (int i = 0; i <= kPhases; ++i) {
    out.tables.push_back(TestDevice()->Allocate(kRows * kColumns * sizeof(float)));
  }
  const auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
  for (int i = 0; i < kPhases; ++i) {
    out.phases.push_back(
        {{"embed", {"step", "weights", "embedding"}, "-D TYPE_F32"},
         i % 3 + 1,
         {out.tables[static_cast<size_t>(i) + 1], out.tables[static_cast<size_t>(i)], step.buffer,
          uint32_t{kRows}, uint32_t{kColumns}, bits(1.25f)}});
  }
  return out;
}

// What is in the last table after the phases, run by `run`.
template <typename Run>
std::vector<float> LastTable(const Chain& chain, const Run& run) {
  const auto values = RandomNormal(kRows * kColumns, 3);
  TestDevice()->Write(chain.tables[0], 0, std::as_bytes(std::span(values)));
  run();
  TestDevice()->Finish();
  return Download(chain.tables.back(), kRows * kColumns);
}

void LaunchEach(const Chain& chain, size_t first) {
  for (size_t i = first; i < chain.phases.size(); ++i) {
    const Phase& phase = chain.phases[i];
    Kernel kernel = TestDevice()->GetKernel(phase.kernel.kernel, phase.kernel.files,
                                            phase.kernel.defines + " -D GROUP=1");
    for (uint32_t a = 0; a < phase.arguments.size(); ++a) {
      std::visit([&](const auto& argument) { kernel.SetArg(a, argument); }, phase.arguments[a]);
    }
    TestDevice()->Enqueue(kernel, {static_cast<size_t>(phase.parts), 1});
  }
}

TEST(ResidentLaunch, GivesTheBitsOfSeparateLaunches) {
  TestDevice()->Run([] {
    StepBuffer buffer(*TestDevice());
    std::vector<int32_t> ids(kRows);
    for (int32_t i = 0; i < kRows; ++i) ids[static_cast<size_t>(i)] = (i * 5 + 3) % kRows;
    const Chain chain = MakeChain(SetStep(buffer, ids));
    const auto want = LastTable(chain, [&] { LaunchEach(chain, 0); });
    // So long that groups meet, unless somebody stops this process for seconds; and not at all, so
    // that whoever comes first gives up.
    for (const int spins : {100'000'000, 0}) {
      ResidentLaunch resident(*TestDevice(), chain.phases, spins);
      size_t least = chain.phases.size();
      for (int run = 0; run < 20; ++run) {
        const auto got = LastTable(chain, [&] {
          const size_t done = resident.Run(*TestDevice());
          ASSERT_LE(done, chain.phases.size());
          ASSERT_GE(done, 1u);
          least = std::min(least, done);
          LaunchEach(chain, done);
        });
        ASSERT_EQ(got, want) << "run " << run << ", " << spins << " spins";
      }
      if (spins > 0 || TestDevice()->info().compute_units == 1) {
        EXPECT_EQ(least, chain.phases.size());
      } else {
        EXPECT_LT(least, chain.phases.size()) << "nobody gave up in 800 meetings";
      }
    }
  });
}

TEST(Recording, OneLaunchIsAskedForBeforeTheFirstNode) {
  TestDevice()->Run([] {
    Recording recording(TestDevice(), KernelFamily::kCpu);
    recording.UseOneLaunch();
    recording.Run();  // nothing to do
    StepBuffer buffer(*TestDevice());
    const Step step = buffer.step({.tokens = 1});
    const Tensor table = recording.Temp({16, 4}), y = recording.Temp({1, 4});
    recording.Launch("embed", {"step", "weights", "embedding"}, "-D TYPE_F32", 1, Work{}, y.buffer,
                     table.buffer, step.buffer, 1, 4, 1.0f);
    ExpectError(Status::kInternal, {"one launch, after 1 nodes"},
                [&] { recording.UseOneLaunch(); });
  });
}

}  // namespace
}  // namespace inference
