#include "engine/runtime.h"

#include "device/memory_limit.h"
#include "engine/tuning_file.h"
#include "formats/json.h"
#include "util/error.h"

namespace inference {

Runtime::Runtime(RuntimeOptions options, std::shared_ptr<Logger> logger)
    : options_(std::move(options)),
      logger_(std::move(logger)),
      devices_(ListDevices()),
      opened_(devices_.devices.size()) {
  if (devices_.devices.empty()) {
    logger_->Log(LogLevel::kWarning, "runtime", "no device: {}", devices_.reason);
  }
}

size_t Runtime::FindDevice(std::string_view wish) const {
  return inference::FindDevice(devices_, wish);
}

const DeviceInfo& Runtime::device(size_t index) const {
  Require(index < devices_.devices.size(), Status::kArg, "device: is {}, there are {} devices",
          index, devices_.devices.size());
  return devices_.devices[index];
}

std::shared_ptr<Device> Runtime::OpenDevice(size_t index) {
  const DeviceInfo& info = device(index);
  const std::lock_guard lock(mutex_);
  if (!opened_[index]) {
    const DeviceOptions options{.cache_dir = options_.cache_dir,
                                .cache_dir_required = !options_.cache_dir.empty(),
                                .memory_limit = options_.memory_limit};
    opened_[index] = Device::Open(info, options, logger_);
    if (auto tuning = LoadTuning(options_.cache_dir, info, *logger_)) {
      opened_[index]->Run([&] { opened_[index]->SetTuning(*std::move(tuning)); });
    }
  }
  return opened_[index];
}

std::shared_ptr<Device> Runtime::FindOpenDevice(size_t index) const {
  device(index);
  const std::lock_guard lock(mutex_);
  return opened_[index];
}

void Runtime::TuneDevice(size_t index, const TuneSizes& sizes) {
  const std::shared_ptr<Device> open = OpenDevice(index);
  const KernelFamily family =
      open->info().type == DeviceType::kCpu ? KernelFamily::kCpu : KernelFamily::kGpu;
  MakeTuningFolder(options_.cache_dir);  // rather now than after minutes
  const Tuning tuning = Tune(open, family, *logger_, sizes);
  SaveTuning(options_.cache_dir, open->info(), tuning);
  open->Run([&] { open->SetTuning(tuning); });
}

void Runtime::ResetTuning(size_t index) {
  RemoveTuning(options_.cache_dir, device(index));
  if (const std::shared_ptr<Device> open = FindOpenDevice(index)) {
    open->Run([&] { open->SetTuning({}); });
  }
}

std::string Runtime::DescribeTuning(size_t index) const {
  const DeviceInfo& info = device(index);
  const std::optional<Tuning> stored = LoadTuning(options_.cache_dir, info, *logger_);
  OrderedJson json = {{"path", TuningPath(options_.cache_dir, info)},
                      {"stored", stored.has_value()}};
  json.update(ParseOrderedJson(TuningJson(info, stored.value_or(Tuning{})), "tuning"));
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);  // paths are bytes
}

MemoryStats Runtime::MemoryOf(size_t index) const {
  if (const std::shared_ptr<Device> open = FindOpenDevice(index)) return open->memory();
  MemoryStats stats;
  stats.limit = DefaultLimit(index);
  stats.cache_limit = kDefaultCacheLimit;
  return stats;
}

uint64_t Runtime::DefaultLimit(size_t index) const {
  return options_.memory_limit != 0 ? options_.memory_limit : DefaultMemoryLimit(device(index));
}

uint64_t Runtime::SetMemoryLimit(size_t index, uint64_t bytes) {
  return OpenDevice(index)->SetMemoryLimit(bytes == 0 ? DefaultLimit(index) : bytes);
}

uint64_t Runtime::SetCacheLimit(size_t index, uint64_t bytes) {
  return OpenDevice(index)->SetCacheLimit(bytes);
}

}  // namespace inference
