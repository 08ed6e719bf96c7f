// One device for all tests of a program: building kernels is what costs time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "device/device.h"
#include "tensor/tensor.h"

namespace inference {

// Closed at the end of the tests and not of the process: saving its programs calls the compiler,
// whose own globals are gone by then.
class TestDeviceHolder : public testing::Environment {
 public:
  void TearDown() override { Handle().reset(); }
  static std::shared_ptr<Device>& Handle() {
    static std::shared_ptr<Device> device;
    return device;
  }
};
inline testing::Environment* const kTestDeviceHolder =
    testing::AddGlobalTestEnvironment(new TestDeviceHolder);

inline const std::shared_ptr<Device>& TestDevice() {
  std::shared_ptr<Device>& device = TestDeviceHolder::Handle();
  if (!device) {
    const DeviceList list = ListDevices();
    device = Device::Open(list.devices.at(DefaultDevice(list)), {}, std::make_shared<Logger>());
  }
  return device;
}

template <typename T>
Buffer Upload(std::span<const T> values) {
  Buffer buffer = TestDevice()->Allocate(values.size_bytes());
  if (!values.empty()) {
    TestDevice()->Run([&] { TestDevice()->Write(buffer, 0, std::as_bytes(values)); });
  }
  return buffer;
}

inline Tensor Upload(const Shape& shape, const std::vector<float>& values) {
  return {Upload(std::span<const float>(values)), shape, nullptr};
}

inline std::vector<float> Download(const Buffer& buffer, size_t count) {
  std::vector<float> values(count);
  TestDevice()->Run(
      [&] { TestDevice()->Read(buffer, 0, std::as_writable_bytes(std::span(values))); });
  return values;
}

inline std::vector<float> RandomNormal(size_t n, uint32_t seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  std::generate(values.begin(), values.end(), [&] { return normal(generator); });
  return values;
}

}  // namespace inference
