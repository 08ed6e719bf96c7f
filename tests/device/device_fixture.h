// What the device tests share: a device that is opened once, and a log that is kept.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/device.h"
#include "util/error.h"

namespace inference {

// Everything that was logged, one line a message: "warning device: text".
class LogRecord {
 public:
  std::shared_ptr<const Logger> logger() const { return logger_; }
  std::string text() const {
    const std::lock_guard lock(*mutex_);
    return *text_;
  }

  LogRecord() { logger_->SetLevel(LogLevel::kDebug); }

 private:
  std::shared_ptr<std::mutex> mutex_ = std::make_shared<std::mutex>();
  std::shared_ptr<std::string> text_ = std::make_shared<std::string>();
  std::shared_ptr<Logger> logger_ = std::make_shared<Logger>(
      [mutex = mutex_, text = text_](LogLevel level, std::string_view part, std::string_view line) {
        const std::lock_guard lock(*mutex);
        *text += fmt::format("{} {}: {}\n", static_cast<int>(level), part, line);
      });
};

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "device_test.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline DeviceInfo DefaultDeviceInfo() {
  const DeviceList list = ListDevices();
  return list.devices.at(DefaultDevice(list));
}

// A device with its kernels in a folder of its own.
class DeviceTest : public testing::Test {
 protected:
  std::shared_ptr<Device> Open() {
    DeviceOptions options;
    options.cache_dir = folder_.path();
    return Open(options);
  }
  std::shared_ptr<Device> Open(const DeviceOptions& options) {
    return Device::Open(DefaultDeviceInfo(), options, log_.logger());
  }

  TemporaryFolder folder_;
  LogRecord log_;
};

// The error that `work` fails with; the test fails where it does not.
inline Error ErrorOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(Status::kInternal, "no error");
}

template <typename T>
std::vector<T> ReadAll(Device& device, const Buffer& buffer) {
  std::vector<T> values(buffer.size() / sizeof(T));
  device.Run([&] { device.Read(buffer, 0, std::as_writable_bytes(std::span(values))); });
  return values;
}

template <typename T>
Buffer MakeBuffer(Device& device, const std::vector<T>& values) {
  const Buffer buffer = device.Allocate(values.size() * sizeof(T));
  device.Run([&] { device.Write(buffer, 0, std::as_bytes(std::span(values))); });
  return buffer;
}

}  // namespace inference
