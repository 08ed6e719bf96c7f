#include "device/device_info.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "device/device_fixture.h"
#include "device/memory_limit.h"

namespace inference {
namespace {

DeviceInfo Named(const std::string& name, DeviceType type, bool unified = false) {
  DeviceInfo info;
  info.name = name;
  info.type = type;
  info.unified_memory = unified;
  return info;
}

DeviceList Several() {
  return {{Named("Host CPU", DeviceType::kCpu, true), Named("Iris", DeviceType::kGpu, true),
           Named("Board", DeviceType::kAccelerator), Named("GeForce A", DeviceType::kGpu),
           Named("GeForce B", DeviceType::kGpu)},
          ""};
}

TEST(DeviceInfo, ListsThisMachine) {
  const DeviceList list = ListDevices();
  ASSERT_FALSE(list.devices.empty()) << list.reason;
  EXPECT_EQ(list.reason, "");
  for (const DeviceInfo& info : list.devices) {
    EXPECT_NE(info.id, nullptr);
    EXPECT_FALSE(info.name.empty());
    EXPECT_THAT(info.driver, testing::HasSubstr("; "));
    EXPECT_GT(info.memory_bytes, 0U);
    EXPECT_GT(info.max_alloc_bytes, 0U);
    EXPECT_GT(info.compute_units, 0U);
  }
  const DeviceList again = ListDevices();
  ASSERT_EQ(again.devices.size(), list.devices.size());
  for (size_t i = 0; i < list.devices.size(); ++i) {
    EXPECT_EQ(again.devices[i].id, list.devices[i].id);
  }
}

TEST(DeviceInfo, TheDefaultIsTheFirstDiscreteGpu) {
  DeviceList list = Several();
  EXPECT_EQ(DefaultDevice(list), 3U);
  list.devices.resize(3);
  EXPECT_EQ(DefaultDevice(list), 2U);
  list.devices.resize(2);
  EXPECT_EQ(DefaultDevice(list), 1U);
  list.devices.resize(1);
  EXPECT_EQ(DefaultDevice(list), 0U);
}

TEST(DeviceInfo, FindsByIndexTypeAndName) {
  const DeviceList list = Several();
  EXPECT_EQ(FindDevice(list, ""), 3U);
  EXPECT_EQ(FindDevice(list, "4"), 4U);
  EXPECT_EQ(FindDevice(list, "gpu"), 3U);
  EXPECT_EQ(FindDevice(list, "CPU"), 0U);
  EXPECT_EQ(FindDevice(list, "accelerator"), 2U);
  EXPECT_EQ(FindDevice(list, "force b"), 4U);
  EXPECT_EQ(FindDevice(list, "iris"), 1U);
}

TEST(DeviceInfo, AWishThatNothingMeetsListsWhatThereIs) {
  for (const std::string wish : {"radeon", "5", "99999999999999999999", "-1", "\x01"}) {
    const Error error = ErrorOf([&] { FindDevice(Several(), wish); });
    EXPECT_EQ(error.status(), Status::kDevice);
    EXPECT_EQ(error.what(),
              fmt::format("device {}: no such device; expected an index, a type (cpu, gpu, "
                          "accelerator) or a part of a name; there are: 0: 'Host CPU' (cpu), "
                          "1: 'Iris' (gpu), 2: 'Board' (accelerator), 3: 'GeForce A' (gpu), "
                          "4: 'GeForce B' (gpu)",
                          Quote(wish)));
  }
}

TEST(DeviceInfo, WithoutDevicesTheReasonIsGiven) {
  const DeviceList none{{}, "clGetPlatformIDs: no driver"};
  for (const char* wish : {"", "0", "gpu"}) {
    const Error error = ErrorOf([&] { FindDevice(none, wish); });
    EXPECT_EQ(error.status(), Status::kDevice);
    EXPECT_STREQ(error.what(), "no OpenCL device: clGetPlatformIDs: no driver");
  }
}

TEST(DeviceInfo, TheDefaultLimitIsTheDevicesMemory) {
  DeviceInfo info = Named("x", DeviceType::kGpu);
  info.memory_bytes = uint64_t{1} << 40;
  EXPECT_EQ(DefaultMemoryLimit(info), info.memory_bytes);
  info.unified_memory = true;
  EXPECT_EQ(DefaultMemoryLimit(info), std::min(info.memory_bytes, CgroupMemoryLimit()));
}

// Drivers read their environment once, so these run in processes of their own.
class DriverEnvironmentTest : public testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (::access(kPocl, R_OK) != 0) GTEST_SKIP() << "PoCL is not installed";
  }
  // Ends with 0 and the reason on stderr where there is no device, as there should not be.
  [[noreturn]] static void List(const char* variable, const char* value) {
    ::unsetenv("POCL_CACHE_DIR");
    ::unsetenv("XDG_CACHE_HOME");
    ::setenv("OCL_ICD_VENDORS", kPocl, 1);
    ::setenv(variable, value, 1);
    const DeviceList list = ListDevices();
    std::cerr << list.reason << std::endl;
    try {
      FindDevice(list, "");
    } catch (const Error& error) {
      std::_Exit(error.status() == Status::kDevice ? 0 : 2);
    }
    std::_Exit(1);
  }
  static constexpr char kPocl[] = "/etc/OpenCL/vendors/pocl.icd";
};

TEST_F(DriverEnvironmentTest, PoclWithAnUnwritableCacheDirectory) {
  EXPECT_EXIT(List("POCL_CACHE_DIR", "/proc/none"), testing::ExitedWithCode(0),
              "^platform 'Portable Computing Language': clGetDeviceIDs: CL_DEVICE_NOT_FOUND "
              "\\(-1\\); PoCL .*cache directory '/proc/none'");
}

TEST_F(DriverEnvironmentTest, PoclWithAnUnwritableHome) {
  EXPECT_EXIT(List("HOME", "/proc/none"), testing::ExitedWithCode(0),
              "^platform 'Portable.*cache directory '/proc/none/.cache/pocl/kcache'");
}

TEST_F(DriverEnvironmentTest, NoDriver) {
  EXPECT_EXIT(List("OCL_ICD_VENDORS", "/nowhere/"), testing::ExitedWithCode(0),
              "^clGetPlatformIDs: CL_PLATFORM_NOT_FOUND_KHR \\(-1001\\): no OpenCL driver");
}

}  // namespace
}  // namespace inference
