// One device for all tests of a program: building kernels is what costs time.
#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "device/device.h"
#include "tensor/tensor.h"

namespace inference {

inline const std::shared_ptr<Device>& TestDevice() {
  static const std::shared_ptr<Device> device = [] {
    const DeviceList list = ListDevices();
    return Device::Open(list.devices.at(DefaultDevice(list)), {}, std::make_shared<Logger>());
  }();
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
