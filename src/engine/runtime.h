// Devices and what is shared by all models of a process's user: log sink, options, opened devices.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/device.h"
#include "device/device_info.h"
#include "engine/metrics.h"
#include "engine/tune.h"
#include "util/log.h"

namespace inference {

struct RuntimeOptions {
  std::string cache_dir;      // "" = the user's cache folder
  uint64_t memory_limit = 0;  // bytes a device; 0 = what the device has
};

class Model;

// A model that is loading or loaded.
struct ListedModel {
  std::string path, architecture;  // "" while it is loading
  size_t device = 0;
  uint64_t weight_bytes = 0;  // 0 while it is loading
  std::weak_ptr<Model> model;
};

class Runtime;

// Keeps a model in its runtime's list; the runtime must outlive it.
class ModelListing {
 public:
  ModelListing() = default;
  ModelListing(ModelListing&& other) noexcept { *this = std::move(other); }
  ModelListing& operator=(ModelListing&& other) noexcept;
  ~ModelListing();
  void Loaded(const std::shared_ptr<Model>& model);

 private:
  friend class Runtime;
  ModelListing(Runtime* runtime, uint64_t number) : runtime_(runtime), number_(number) {}
  Runtime* runtime_ = nullptr;
  uint64_t number_ = 0;
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
  // Both return the earlier limit. Memory: 0 = the limit that the runtime began with.
  uint64_t SetMemoryLimit(size_t index, uint64_t bytes);
  uint64_t SetCacheLimit(size_t index, uint64_t bytes);
  // Gives back what a device and the models on it keep for reuse alone: see Model::Trim.
  void TrimMemory(size_t index);
  Logger& logger() const { return *logger_; }

  // Before a model's weights are read. While one is loading, its device's memory is not watched.
  ModelListing ListModel(size_t device, std::string path);
  void Count(const RequestMetrics& request) { metrics_.Add(request); }  // one that has ended
  std::string DescribeMetrics() const;  // JSON: see inf_runtime_metrics

 private:
  friend class ModelListing;
  uint64_t DefaultLimit(size_t index) const;
  void UpdateWatch(size_t device);  // locked
  std::vector<ListedModel> ListedModels() const;

  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  RuntimeOptions options_;
  std::shared_ptr<Logger> logger_;
  DeviceList devices_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Device>> opened_;
  std::map<uint64_t, ListedModel> models_;  // by number, in the order of their loads
  uint64_t next_model_ = 0;
  MetricsSum metrics_;
};

}  // namespace inference
