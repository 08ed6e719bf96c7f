// Profiles: every launch counts once, with the work that was told of it.
#include "device/profile.h"

#include "device/device_fixture.h"
#include "device/gemm_rate.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr char kAdd[] = R"(
__kernel void add(__global int* y, const int n) {
  for (int i = 0; i < n; ++i) y[get_global_id(0)] += 1;
}
__kernel void clear(__global int* y) { y[get_global_id(0)] = 0; }
)";

using DeviceProfile = DeviceTest;

TEST_F(DeviceProfile, AddsUpLaunchesByKernelAndShape) {
  const auto device = Open();
  const Buffer y = device->Allocate(4 * sizeof(int32_t));
  std::vector<KernelTime> times;
  device->Run([&] {
    Kernel clear = device->GetKernelFromSource("clear", kAdd, "");
    Kernel add = device->GetKernelFromSource("add", kAdd, "");
    clear.SetArgs(y);
    add.SetArgs(y, 100'000);
    device->Enqueue(clear, {4, 1});  // before the profile: not in it
    device->StartProfile();
    EXPECT_TRUE(device->is_profiling());
    device->Enqueue(clear, {4, 1});
    const Work small{
        .what = "small", .weight_bytes = 1, .read_bytes = 2, .written_bytes = 3, .flops = 4};
    const Work large{
        .what = "large", .weight_bytes = 10, .read_bytes = 20, .written_bytes = 30, .flops = 40};
    for (int i = 0; i < 3; ++i) device->Enqueue(add, {4, 1}, &small);
    for (int i = 0; i < 2; ++i) device->Enqueue(add, {4, 1}, &large);
    device->Enqueue(add, {0, 1}, &large);  // launches nothing
    times = device->StopProfile();
    EXPECT_FALSE(device->is_profiling());
    device->Enqueue(add, {4, 1}, &large);  // after it
  });
  ASSERT_EQ(times.size(), 3U);
  EXPECT_GE(times[0].ns, times[1].ns);
  EXPECT_GE(times[1].ns, times[2].ns);
  for (const KernelTime& time : times) {
    const uint64_t scale = time.work.what == "large" ? 20 : time.work.what == "small" ? 3 : 0;
    EXPECT_EQ(time.kernel, scale == 0 ? "clear" : "add");
    EXPECT_EQ(time.launches, time.work.what == "large" ? 2U : scale == 3 ? 3U : 1U);
    EXPECT_EQ(time.work.weight_bytes, scale);
    EXPECT_EQ(time.work.read_bytes, 2 * scale);
    EXPECT_EQ(time.work.written_bytes, 3 * scale);
    EXPECT_EQ(time.work.flops, 4 * scale);
    EXPECT_GT(time.ns, 0U);
  }
  EXPECT_EQ(ReadAll<int32_t>(*device, y), std::vector<int32_t>(4, 600'000));
}

TEST_F(DeviceProfile, LaunchesPastWhatIsKeptAtOnceAllCount) {
  const auto device = Open();
  const Buffer y = device->Allocate(sizeof(int32_t));
  device->Run([&] {
    Kernel clear = device->GetKernelFromSource("clear", kAdd, "");
    clear.SetArgs(y);
    device->StartProfile();
    for (int i = 0; i < 5000; ++i) device->Enqueue(clear, {1, 1});
    const auto times = device->StopProfile();
    ASSERT_EQ(times.size(), 1U);
    EXPECT_EQ(times[0].launches, 5000U);
  });
}

TEST_F(DeviceProfile, OneAtATime) {
  const auto device = Open();
  device->Run([&] {
    ExpectError(Status::kState, {"profile: none runs on device"}, [&] { device->StopProfile(); });
    device->StartProfile();
    ExpectError(Status::kState, {"profile: one runs on device"}, [&] { device->StartProfile(); });
    EXPECT_TRUE(device->StopProfile().empty());
    ExpectError(Status::kState, {"profile: none runs on device"}, [&] { device->StopProfile(); });
  });
  ExpectError(Status::kInternal, {"StartProfile: called outside"}, [&] { device->StartProfile(); });
}

// A device that is closed while a profile runs: what waits for its times is given up.
TEST_F(DeviceProfile, MayBeLeftRunning) {
  const auto device = Open();
  const Buffer y = device->Allocate(sizeof(int32_t));
  device->Run([&] {
    Kernel clear = device->GetKernelFromSource("clear", kAdd, "");
    clear.SetArgs(y);
    device->StartProfile();
    device->Enqueue(clear, {1, 1});
  });
}

TEST_F(DeviceProfile, GemmRateIsANumber) { EXPECT_GT(MeasureGemmRate(*Open()), 0.01); }

}  // namespace
}  // namespace inference
