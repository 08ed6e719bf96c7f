// How long groups that wait for each other wait.
#include "device/device_fixture.h"
#include "support/expect_error.h"

namespace inference {
namespace {

using SpinTest = DeviceTest;

TEST_F(SpinTest, AMillisecondIsSomeThousandTurnsAndIsMeasuredOnce) {
  const auto device = Open();
  const int turns = device->Run([&] { return device->SpinsPerMillisecond(); });
  EXPECT_GE(turns, 1000);
  EXPECT_LE(turns, 1'000'000);
  EXPECT_EQ(device->Run([&] { return device->SpinsPerMillisecond(); }), turns);
  ExpectError(Status::kInternal, {"SpinsPerMillisecond"}, [&] { device->SpinsPerMillisecond(); });
}

}  // namespace
}  // namespace inference
