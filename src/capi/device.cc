#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "device/bandwidth.h"
#include "device/gemm_rate.h"

namespace inference::capi {

static_assert(kNoLimit == INF_NO_LIMIT);
static_assert(static_cast<uint32_t>(DeviceType::kCpu) == INF_DEVICE_CPU);
static_assert(static_cast<uint32_t>(DeviceType::kGpu) == INF_DEVICE_GPU);
static_assert(static_cast<uint32_t>(DeviceType::kAccelerator) == INF_DEVICE_ACCELERATOR);

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

uint32_t inf_device_count(const inf_runtime* runtime) {
  return GuardOr(uint32_t{0}, [&] {
    const DeviceList& list = Lookup(runtime, "runtime")->runtime->devices();
    return static_cast<uint32_t>(list.devices.size());
  });
}

inf_status inf_device_info(const inf_runtime* runtime, uint32_t device, inf_device_desc* out,
                           inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    RequireOutStruct(out, "out");
    const DeviceInfo& info = object->runtime->device(device);
    inf_device_desc desc = {};
    desc.type = static_cast<uint32_t>(info.type);
    desc.name = info.name.c_str();
    desc.vendor = info.vendor.c_str();
    desc.driver = info.driver.c_str();
    desc.memory_bytes = info.memory_bytes;
    desc.max_alloc_bytes = info.max_alloc_bytes;
    desc.compute_units = info.compute_units;
    desc.is_default = DefaultDevice(object->runtime->devices()) == device ? 1 : 0;
    FillOut(out, desc);
  });
}

inf_status inf_device_read_bandwidth(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                     double* gb_s, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    RequireOut(gb_s, "gb_s");
    *gb_s = MeasureReadBandwidth(*object->runtime->OpenDevice(device), bytes);
  });
}

inf_status inf_device_gemm_rate(inf_runtime* runtime, uint32_t device, double* gflop_s,
                                inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    RequireOut(gflop_s, "gflop_s");
    *gflop_s = MeasureGemmRate(*object->runtime->OpenDevice(device));
  });
}

inf_status inf_memory_info(const inf_runtime* runtime, uint32_t device, inf_memory_desc* out,
                           inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    RequireOutStruct(out, "out");
    const MemoryStats stats = object->runtime->MemoryOf(device);
    inf_memory_desc desc = {};
    desc.active_bytes = stats.active;
    desc.cached_bytes = stats.cached;
    desc.peak_bytes = stats.peak;
    desc.limit_bytes = stats.limit;
    desc.cache_limit_bytes = stats.cache_limit;
    FillOut(out, desc);
  });
}

inf_status inf_memory_set_limit(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                uint64_t* old, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    if (old != nullptr) RequireOut(old, "old");
    const uint64_t earlier = object->runtime->SetMemoryLimit(device, bytes);
    if (old != nullptr) *old = earlier;
  });
}

inf_status inf_memory_set_cache_limit(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                      uint64_t* old, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    if (old != nullptr) RequireOut(old, "old");
    const uint64_t earlier = object->runtime->SetCacheLimit(device, bytes);
    if (old != nullptr) *old = earlier;
  });
}

inf_status inf_memory_reset_peak(inf_runtime* runtime, uint32_t device, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    if (const auto open = object->runtime->FindOpenDevice(device)) open->ResetPeak();
  });
}

inf_status inf_memory_trim(inf_runtime* runtime, uint32_t device, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(runtime, "runtime");
    object->runtime->TrimMemory(device);
  });
}

}  // extern "C"
