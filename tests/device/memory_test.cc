#include <limits>

#include "device/bandwidth.h"
#include "device/device_fixture.h"

namespace inference {
namespace {

TEST(SizeClass, LosesAtMostAnEighth) {
  EXPECT_EQ(BufferPool::SizeClass(1), 256U);
  EXPECT_EQ(BufferPool::SizeClass(256), 256U);
  EXPECT_EQ(BufferPool::SizeClass(257), 288U);
  EXPECT_EQ(BufferPool::SizeClass(512), 512U);
  EXPECT_EQ(BufferPool::SizeClass(513), 576U);
  EXPECT_EQ(BufferPool::SizeClass((512 << 10) + 1), (512U + 64) << 10);
  EXPECT_EQ(BufferPool::SizeClass(UINT64_MAX - 1), UINT64_MAX - 1);
  for (uint64_t bytes = 257; bytes < (8 << 20); bytes += 1 + bytes / 97) {
    const uint64_t size = BufferPool::SizeClass(bytes);
    ASSERT_GE(size, bytes);
    ASSERT_LE(size - bytes, bytes / 8) << bytes;
    ASSERT_EQ(BufferPool::SizeClass(size), size) << bytes;
  }
}

TEST_F(DeviceTest, MemoryIsCountedReusedAndGivenBack) {
  const auto device = Open();
  EXPECT_GT(device->memory().limit, 0U);
  Buffer a = device->Allocate(1000);
  const cl_mem handle = a.handle();
  EXPECT_EQ(a.size(), 1000U);
  EXPECT_EQ(device->memory().active, 1024U);
  Buffer copy = a;
  a = Buffer();
  EXPECT_EQ(device->memory().active, 1024U);
  copy = Buffer();
  EXPECT_EQ(device->memory().active, 0U);
  EXPECT_EQ(device->memory().cached, 1024U);
  a = device->Allocate(961);
  EXPECT_EQ(a.handle(), handle);
  EXPECT_EQ(a.size(), 961U);
  EXPECT_EQ(device->memory().cached, 0U);
  EXPECT_EQ(device->memory().peak, 1024U);
  const Buffer b = device->Allocate(256);
  a = Buffer();
  EXPECT_EQ(device->memory().peak, 1280U);
  device->ResetPeak();
  EXPECT_EQ(device->memory().peak, 256U);
  device->Trim();
  EXPECT_EQ(device->memory().cached, 0U);
}

TEST_F(DeviceTest, TheBudgetIsChargedBeforeTheDriverIsAsked) {
  DeviceOptions options;
  options.cache_dir = folder_.path();
  options.memory_limit = 1 << 20;
  const auto device = Open(options);
  EXPECT_EQ(device->memory().limit, 1U << 20);
  Buffer half = device->Allocate(512 << 10);
  const Error error = ErrorOf([&] { device->Allocate(600 << 10); });
  EXPECT_EQ(error.status(), Status::kOomDevice);
  EXPECT_STREQ(error.what(), "allocate: 614400 bytes wanted, 524288 active, limit 1048576");
  EXPECT_EQ(device->memory().active, 512U << 10);
  half = Buffer();  // cached memory gives way
  const Buffer most = device->Allocate(960 << 10);
  EXPECT_EQ(device->memory().cached, 0U);
  EXPECT_EQ(device->memory().active, 960U << 10);
  device->SetMemoryLimit(100);
  EXPECT_THROW(device->Allocate(1), Error);
  device->SetMemoryLimit(2 << 20);
  device->Allocate(1);
}

TEST_F(DeviceTest, ABufferThatTheDeviceCannotHoldIsRefused) {
  const auto device = Open();
  device->SetMemoryLimit(std::numeric_limits<uint64_t>::max());
  for (const uint64_t bytes : {device->info().max_alloc_bytes + 1, UINT64_MAX}) {
    const Error error = ErrorOf([&] { device->Allocate(bytes); });
    EXPECT_EQ(error.status(), Status::kOomDevice);
    EXPECT_EQ(error.what(),
              fmt::format("allocate: {} bytes wanted, the device allows {} in one buffer", bytes,
                          device->info().max_alloc_bytes));
  }
  EXPECT_EQ(device->memory().active, 0U);
}

TEST_F(DeviceTest, TheCacheIsBounded) {
  const auto device = Open();
  device->SetCacheLimit(1024);
  Buffer small = device->Allocate(1024);
  Buffer large = device->Allocate(4096);
  large = Buffer();
  EXPECT_EQ(device->memory().cached, 0U);
  small = Buffer();
  EXPECT_EQ(device->memory().cached, 1024U);
}

TEST_F(DeviceTest, LimitsReturnTheEarlierOne) {
  const auto device = Open();
  const MemoryStats first = device->memory();
  EXPECT_EQ(first.cache_limit, uint64_t{256} << 20);
  EXPECT_EQ(device->SetMemoryLimit(5000), first.limit);
  EXPECT_EQ(device->SetMemoryLimit(kNoLimit), 5000U);
  EXPECT_EQ(device->SetCacheLimit(700), first.cache_limit);
  EXPECT_EQ(device->SetCacheLimit(kNoLimit), 700U);
  EXPECT_EQ(device->memory().limit, kNoLimit);
  device->Allocate(1024);
  EXPECT_EQ(device->SetMemoryLimit(100), kNoLimit);  // what is cached goes at once
  EXPECT_EQ(device->memory().cached, 0U);
}

TEST_F(DeviceTest, MoreThanThreeTimesTheModelsIsWarnedOfOnceACrossing) {
  const auto device = Open();
  const auto warnings = [&] {
    const std::string text = log_.text(), line = "2 memory: device ";
    int count = 0;
    for (size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) {
      ++count;
    }
    return count;
  };
  const Buffer model = device->Allocate(1 << 20), twice = device->Allocate(2 << 20);
  device->Allocate(1024);  // stays cached
  EXPECT_EQ(device->memory().cached, 1024U);
  EXPECT_EQ(device->memory().active, 3U << 20);
  device->WatchMemory(1 << 20);
  EXPECT_EQ(warnings(), 0);
  {
    const Buffer above = device->Allocate(1);
    EXPECT_EQ(warnings(), 1);
    EXPECT_EQ(device->memory().cached, 0U);
    const Buffer still_above = device->Allocate(1);
    EXPECT_EQ(warnings(), 1);
  }
  device->Allocate(2048);
  EXPECT_EQ(warnings(), 2);
  EXPECT_NE(log_.text().find("more than 3 times what its models weigh is active: active_mb 3, "
                             "model_mb 1, peak_mb 3; what was cached is given back"),
            std::string::npos)
      << log_.text();
  device->WatchMemory(2 << 20);  // another model
  device->Allocate(1 << 20);
  device->WatchMemory(0);  // none
  device->Allocate(8 << 20);
  EXPECT_EQ(warnings(), 2);
}

TEST_F(DeviceTest, BuffersOutliveTheDeviceHandle) {
  auto device = Open();
  const std::weak_ptr<Device> watch = device;
  Buffer buffer = MakeBuffer<int32_t>(*device, {1, 2, 3});
  Kernel kernel = device->Run([&] {
    return device->GetKernelFromSource("k", "__kernel void k(__global int* y) { y[0] = 1; }", "");
  });
  kernel.SetArgs(buffer);
  device.reset();
  EXPECT_EQ(watch.lock()->memory().active, 256U);
  buffer = Buffer();
  EXPECT_EQ(watch.lock()->memory().active, 256U) << "the kernel still has it";
  kernel = Kernel();
  EXPECT_TRUE(watch.expired());
}

TEST_F(DeviceTest, MemoryInUseByQueuedWorkMayBeDropped) {
  const auto device = Open();
  const std::string source =
      "__kernel void fill(__global float* y, const int n, const float a) {"
      "  for (int i = 0; i < n; ++i) y[i] = a; }";
  const int32_t n = 1 << 20;
  const Buffer result = device->Allocate(n * sizeof(float));
  device->Run([&] {
    Kernel kernel = device->GetKernelFromSource("fill", source, "");
    for (int round = 0; round < 20; ++round) {
      Buffer passing = device->Allocate(n * sizeof(float));
      kernel.SetArgs(passing, n, static_cast<float>(round));
      device->Enqueue(kernel, {1, 1});
      device->Copy(passing, 0, result, 0, passing.size());
      kernel.SetArg(0, Buffer());
      passing = Buffer();
      device->Trim();
    }
  });
  EXPECT_EQ(ReadAll<float>(*device, result), std::vector<float>(n, 19.0F));
}

TEST_F(DeviceTest, ReadBandwidthIsMeasured) {
  const auto device = Open();
  EXPECT_GT(MeasureReadBandwidth(*device, 64 << 20), 0.5);
  EXPECT_EQ(device->memory().active, 0U);
  EXPECT_EQ(device->memory().cached, 0U);
  EXPECT_GT(MeasureReadBandwidth(*device, 1000), 0.0);
  EXPECT_EQ(ErrorOf([&] { MeasureReadBandwidth(*device, 1); }).status(), Status::kArg);
}

}  // namespace
}  // namespace inference
