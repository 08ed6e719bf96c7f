#include "device/device.h"

#include <numeric>

#include "device/device_fixture.h"

namespace inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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
    kernel.SetArg(3, 3.0F);  // what is queued has its arguments already
    device->Finish();
  });
  const std::vector<float> y = ReadAll<float>(*device, out);
  for (int i = 0; i < 1001; ++i) ASSERT_EQ(y[i], 2.0F * static_cast<float>(i) + 1) << i;
}

TEST_F(DeviceTest, RunGivesResultsAndPassesExceptions) {
  const auto device = Open();
  EXPECT_EQ(device->Run([] { return 7; }), 7);
  EXPECT_EQ(device->Run([&] { return device->Run([] { return std::string("in"); }); }), "in");
  EXPECT_EQ(*device->Run([] { return std::make_unique<int>(3); }), 3);
  EXPECT_THROW(device->Run([] { throw std::out_of_range("host"); }), std::out_of_range);
  EXPECT_EQ(device->Run([] { return 8; }), 8);
}

TEST_F(DeviceTest, PostedWorkRunsInItsTurn) {
  const auto device = Open();
  std::vector<int> order;
  device->Run([&] {
    device->Post([&] { order.push_back(2); });
    order.push_back(1);
  });
  for (int i = 3; i < 100; ++i) device->Post([&order, i] { order.push_back(i); });
  device->Run([] {});
  std::vector<int> want(99);
  std::iota(want.begin(), want.end(), 1);
  EXPECT_EQ(order, want);
}

TEST_F(DeviceTest, CopiesFillsAndMaps) {
  const auto device = Open();
  const Buffer from = MakeBuffer<uint8_t>(*device, {1, 2, 3, 4, 5, 6, 7, 8});
  const Buffer to = MakeBuffer<uint8_t>(*device, {9, 9, 9, 9, 9, 9, 9, 9});
  device->Run([&] {
    device->Copy(from, 1, to, 2, 3);
    device->FillZero(to, 6, 1);
  });
  EXPECT_EQ(ReadAll<uint8_t>(*device, to), (std::vector<uint8_t>{9, 9, 2, 3, 4, 9, 0, 9}));
  {
    const BufferMapping mapping = device->Run([&] { return device->Map(to); });
    ASSERT_EQ(mapping.span().size(), 8U);
    std::fill(mapping.span().begin(), mapping.span().end(), std::byte{7});
  }
  EXPECT_EQ(ReadAll<uint8_t>(*device, to), std::vector<uint8_t>(8, 7));
}

TEST_F(DeviceTest, EmptyBuffersAndRangesDoNothing) {
  const auto device = Open();
  const Buffer empty = device->Allocate(0);
  EXPECT_TRUE(empty);
  EXPECT_EQ(empty.size(), 0U);
  device->Run([&] {
    device->Write(empty, 0, {});
    device->Read(empty, 0, {});
    device->Copy(empty, 0, empty, 0, 0);
    device->FillZero(empty, 0, 0);
    EXPECT_TRUE(device->Map(empty).span().empty());
    Kernel kernel = device->GetKernelFromSource("scale", kScale, "-D N=0");
    kernel.SetArgs(empty, empty, int32_t{0}, 1.0F);
    device->Enqueue(kernel, {0, 64});
    device->Flush();
    device->Finish();
  });
}

TEST_F(DeviceTest, AnEmptyBufferHandleIsANullPointer) {
  const auto device = Open();
  const Buffer out = device->Allocate(sizeof(int32_t));
  device->Run([&] {
    Kernel kernel = device->GetKernelFromSource(
        "probe", "__kernel void probe(__global int* y, __global int* x) { y[0] = x == 0; }", "");
    kernel.SetArgs(out, Buffer());
    device->Enqueue(kernel, {1, 1});
  });
  EXPECT_EQ(ReadAll<int32_t>(*device, out)[0], 1);
}

TEST_F(DeviceTest, KernelsOfTheLibraryAreBuiltFromFiles) {
  const auto device = Open();
  device->Run([&] {
    const Kernel kernel = device->GetKernel("read_bandwidth", {"read_bandwidth"}, "");
    EXPECT_EQ(kernel.name(), "read_bandwidth");
    const Error error = ErrorOf([&] { device->GetKernel("x", {"nowhere"}, ""); });
    EXPECT_EQ(error.status(), Status::kInternal);
    EXPECT_STREQ(error.what(), "cl/nowhere.cl: not compiled into the library");
  });
}

TEST_F(DeviceTest, MisuseIsAnError) {
  const auto device = Open();
  const auto other = Open();
  const Buffer buffer = device->Allocate(16);
  const Buffer foreign = other->Allocate(16);
  std::vector<std::byte> bytes(17);
  const auto expect = [&](const std::string& text, const std::function<void()>& work) {
    const Error error = ErrorOf(work);
    EXPECT_EQ(error.status(), Status::kInternal);
    EXPECT_EQ(error.what(), text);
  };
  expect("Write: called outside the device's submission thread",
         [&] { device->Write(buffer, 0, bytes); });
  expect("Finish: called outside the device's submission thread", [&] { device->Finish(); });
  expect("GetKernel: called outside the device's submission thread",
         [&] { device->GetKernel("k", {}, ""); });
  device->Run([&] {
    expect("Write: bytes 0 + 17 of a buffer of 16", [&] { device->Write(buffer, 0, bytes); });
    expect("Read: bytes 18446744073709551615 + 17 of a buffer of 16",
           [&] { device->Read(buffer, UINT64_MAX, bytes); });
    expect("FillZero: bytes 8 + 9 of a buffer of 16", [&] { device->FillZero(buffer, 8, 9); });
    expect("Copy (target): the buffer is not of this device",
           [&] { device->Copy(buffer, 0, foreign, 0, 1); });
    Kernel kernel = device->GetKernelFromSource("scale", kScale, "-D N=1");
    expect("kernel scale: given 2 arguments, expected 4", [&] { kernel.SetArgs(buffer, buffer); });
    expect("kernel scale: argument 4 set, it has 4 arguments",
           [&] { kernel.SetArg(4, int32_t{1}); });
    expect("kernel scale: argument 0 is a buffer of another device",
           [&] { kernel.SetArg(0, foreign); });
    expect("Enqueue: kernel  is not of this device", [&] { device->Enqueue(Kernel(), {1, 1}); });
    expect("kernel: used before it was made", [&] { Kernel().SetArg(0, 1.0F); });
  });
}

TEST_F(DeviceTest, OpenClCodesNameCallKernelAndCode) {
  const auto device = Open();
  const Buffer buffer = device->Allocate(16);
  device->Run([&] {
    Kernel kernel = device->GetKernelFromSource("scale", kScale, "-D N=1");
    const Error unset = ErrorOf([&] { device->Enqueue(kernel, {4, 1}); });
    EXPECT_EQ(unset.status(), Status::kDevice);
    EXPECT_EQ(unset.domain(), Domain::kOpenCl);
    EXPECT_EQ(unset.sub(), CL_INVALID_KERNEL_ARGS);
    EXPECT_STREQ(unset.what(), "clEnqueueNDRangeKernel (scale): CL_INVALID_KERNEL_ARGS (-52)");
    kernel.SetArgs(buffer, buffer, int32_t{4}, 1.0F);
    const Error odd = ErrorOf([&] { device->Enqueue(kernel, {10, 3}); });
    EXPECT_STREQ(odd.what(), "clEnqueueNDRangeKernel (scale): CL_INVALID_WORK_GROUP_SIZE (-54)");
    const Error wrong = ErrorOf([&] { kernel.SetArg(0, 1.0F); });
    EXPECT_EQ(wrong.status(), Status::kInternal);
    EXPECT_THAT(wrong.what(), HasSubstr("clSetKernelArg (scale, argument 0): CL_INVALID_ARG_SIZE"));
    const Error name = ErrorOf([&] { device->GetKernelFromSource("other", kScale, "-D N=1"); });
    EXPECT_STREQ(name.what(), "clCreateKernel (other): CL_INVALID_KERNEL_NAME (-46)");
    device->Enqueue(kernel, {4, 1});  // the device is as it was
    device->Finish();
  });
}

TEST_F(DeviceTest, ABuildErrorHasTheCompilersLog) {
  const auto device = Open();
  const Error error = ErrorOf([&] {
    device->Run([&] {
      device->GetKernelFromSource("bad", "__kernel void bad() { undeclared_thing = 1; }", "-D A=1");
    });
  });
  EXPECT_EQ(error.status(), Status::kKernelBuild);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("clBuildProgram (bad): CL_BUILD_PROGRAM_FAILURE (-11)"),
                    HasSubstr("options: -w -cl-std=CL1.2 -D A=1"), HasSubstr("undeclared_thing")));
  std::string source = "__kernel void bad() {\n";
  for (int i = 0; i < 3000; ++i) source += fmt::format("undeclared_{} = 1;\n", i);
  const Error clipped = ErrorOf([&] {
    device->Run([&] { device->GetKernelFromSource("bad", source + "}", "-ferror-limit=0"); });
  });
  EXPECT_LT(std::string(clipped.what()).size(), 5000U);
}

TEST_F(DeviceTest, ALostDeviceRefusesWork) {
  const auto device = Open();
  EXPECT_THROW(device->Run([] {
    throw Error(Status::kDeviceLost, "clFinish: OpenCL error (-9999)", Domain::kOpenCl, -9999);
  }),
               Error);
  const Error error = ErrorOf([&] { device->Run([] {}); });
  EXPECT_EQ(error.status(), Status::kDeviceLost);
  EXPECT_THAT(error.what(), HasSubstr("was lost, open it again"));
}

// Only what a kernel can take compiles.
template <typename T>
concept Settable = requires(Kernel kernel, T value) {
  kernel.SetArgs(value);
};
static_assert(Settable<Buffer> && Settable<int32_t> && Settable<uint32_t> && Settable<float>);
static_assert(!Settable<double> && !Settable<int64_t> && !Settable<size_t> && !Settable<bool> &&
              !Settable<const void*>);

}  // namespace
}  // namespace inference
