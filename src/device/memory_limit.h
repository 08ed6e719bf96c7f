// How much memory a device may use when the caller names no limit.
#pragma once

#include <cstdint>

#include "device/device_info.h"

namespace inference {

// Bytes: the device's memory; for devices that share the host's, the cgroup's limit where it is
// lower.
uint64_t DefaultMemoryLimit(const DeviceInfo& info);

// Bytes of freed buffers that are kept for reuse when the caller names no limit.
constexpr uint64_t kDefaultCacheLimit = uint64_t{256} << 20;

// The lowest limit of this process's cgroup and those above it, 2^64-1 where there is none.
uint64_t CgroupMemoryLimit();

}  // namespace inference
