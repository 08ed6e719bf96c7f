// What a recording promises beyond the kernels' results: where it stops when somebody cancels.
#include "tensor/recording.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr int kNodes = 6;

// Runs nodes that state `flops` of work and each write a place of their own; how many did.
int NodesRun(uint64_t flops, const CancelFlag* cancel, bool fails) {
  const Buffer out = TestDevice()->Allocate(kNodes * sizeof(uint64_t));
  std::vector<uint64_t> written(kNodes);
  TestDevice()->Run([&] {
    TestDevice()->FillZero(out, 0, kNodes * sizeof(uint64_t));
    Recording recording(TestDevice(), KernelFamily::kCpu);
    for (int i = 0; i < kNodes; ++i) {
      recording.Launch("address", {"address"}, "", 1, Work{.flops = flops}, out, out, i);
    }
    if (fails) {
      ExpectError(Status::kCancelled, {"step: cancelled"}, [&] { recording.Run(0, cancel); });
    } else {
      recording.Run(0, cancel);
    }
    TestDevice()->Read(out, 0, std::as_writable_bytes(std::span(written)));
  });
  return static_cast<int>(
      std::count_if(written.begin(), written.end(), [](uint64_t at) { return at != 0; }));
}

TEST(RecordingTest, CancelIsSeenBetweenSlicesOfWork) {
  CancelFlag cancel;
  constexpr uint64_t kMuch = 5'000'000'000, kSome = 1'500'000'000, kLittle = 1;
  EXPECT_EQ(NodesRun(kMuch, nullptr, false), kNodes);
  EXPECT_EQ(NodesRun(kMuch, &cancel, false), kNodes);
  cancel.Trigger();
  EXPECT_EQ(NodesRun(kMuch, &cancel, true), 1);
  EXPECT_EQ(NodesRun(kSome, &cancel, true), 3);
  EXPECT_EQ(NodesRun(kLittle, &cancel, false), kNodes);  // done before anybody could look
}

}  // namespace
}  // namespace inference
