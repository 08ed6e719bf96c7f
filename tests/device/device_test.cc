#include "device/device.h"

#include <numeric>

#include "device/device_fixture.h"

namespace inference {
namespace {

constexpr char kScale[] = R"(
__kernel void scale(__global float* y, __global const float* x, const int n, const float a) {
  const int i = get_global_id(0);
  if (i < n) y[i] = a * x[i] + N;
}
)";

TEST_F(DeviceTest, RunsAKernel) {
  const auto device = Open();
  std::vector<float> x(1001);
  std::iota(x.begin(), x.end(), 0.0F);
  const Buffer in = MakeBuffer(*device, x);
  const Buffer out = device->Allocate(in.size());
  device->Run([&] {
    Kernel kernel = device->GetKernelFromSource("scale", kScale, "-D N=1");
    EXPECT_EQ(kernel.name(), "scale");
    kernel.SetArgs(out, in, int32_t{1001}, 2.0F);
    device->Enqueue(kernel, {1024, 64});
    device->Finish();
  });
  const std::vector<float> y = ReadAll<float>(*device, out);
  for (int i = 0; i < 1001; ++i) ASSERT_EQ(y[i], 2.0F * i + 1) << i;
}

TEST_F(DeviceTest, RunGivesResultsAndPassesExceptions) {
  const auto device = Open();
  EXPECT_EQ(device->Run([] { return 7; }), 7);
  EXPECT_EQ(device->Run([&] { return device->Run([] { return std::string("nested"); }); }),
            "nested");
  const auto moved = device->Run([] { return std::make_unique<int>(3); });
  EXPECT_EQ(*moved, 3);
  EXPECT_THROW(device->Run([] { throw std::out_of_range("host"); }), std::out_of_range);
  EXPECT_EQ(device->Run([] { return 8; }), 8);
}

}  // namespace
}  // namespace inference
