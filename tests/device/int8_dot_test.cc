// Every form of the integer dot product that the device has gives the same integers.
#include "device/int8_dot.h"

#include <gtest/gtest.h>

#include "device/device_fixture.h"

namespace inference {
namespace {

using Int8DotTest = DeviceTest;

TEST_F(Int8DotTest, ThePlainFormWorksEverywhereAndTheBestIsOneThatWorks) {
  const std::shared_ptr<Device> device = Open();
  EXPECT_TRUE(HasInt8Dot(*device, Int8Dot::kPlain));
  const Int8Dot best = ProbeInt8Dot(*device);
  EXPECT_TRUE(HasInt8Dot(*device, best)) << Int8DotName(best);
  if (!device->info().claims_integer_dot && !device->info().claims_ptx) {
    EXPECT_EQ(best, Int8Dot::kPlain);
  }
}

TEST_F(Int8DotTest, ClaimsThatDoNotHoldAreNotBelieved) {
  DeviceInfo info = DefaultDeviceInfo();
  if (info.claims_ptx) GTEST_SKIP() << "the device has PTX";
  info.claims_ptx = true;
  const auto device = Device::Open(info, {.cache_dir = folder_.path()}, log_.logger());
  EXPECT_FALSE(HasInt8Dot(*device, Int8Dot::kPtx));
  EXPECT_NE(ProbeInt8Dot(*device), Int8Dot::kPtx);
}

TEST(Int8DotFormTest, HasNamesAndDefines) {
  EXPECT_EQ(Int8DotName(Int8Dot::kKhr), "khr");
  EXPECT_EQ(Int8DotDefine(Int8Dot::kPtx), " -D INT8_DOT=2");
}

}  // namespace
}  // namespace inference
