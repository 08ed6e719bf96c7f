// Devices and what is shared by all models of a process's user: log sink, options, opened devices.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/device.h"
#include "device/device_info.h"
#include "engine/tune.h"
#include "util/log.h"

namespace inference {

struct RuntimeOptions {
  std::string cache_dir;      // "" = the user's cache folder
  uint64_t memory_limit = 0;  // bytes a device; 0 = what the device has
};

class Runtime {
 public:
  Runtime(RuntimeOptions options, std::shared_ptr<Logger> logger);  // finds devices, opens none
  const DeviceList& devices() const { return devices_; }
  size_t FindDevice(std::string_view wish) const;
  const DeviceInfo& device(size_t index) const;      // ARG where there is none of that index
  std::shared_ptr<Device> OpenDevice(size_t index);  // opened once; any thread
  std::shared_ptr<Device> FindOpenDevice(size_t index) const;  // null where nobody opened it
  // Measures the device and keeps what was found for whoever opens it from now on (engine/tune.h).
  // IO where it cannot be kept.
  void TuneDevice(size_t index, const TuneSizes& sizes = {});
  void ResetTuning(size_t index);                  // back to the defaults
  std::string DescribeTuning(size_t index) const;  // JSON: what is stored, or the defaults
  MemoryStats MemoryOf(size_t index) const;        // also of a device that nobody opened
  Logger& logger() const { return *logger_; }

 private:
  RuntimeOptions options_;
  std::shared_ptr<Logger> logger_;
  DeviceList devices_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Device>> opened_;
};

}  // namespace inference
