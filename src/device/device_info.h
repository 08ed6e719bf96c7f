// The OpenCL devices of this machine, and the choice of one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device/opencl.h"

namespace inference {

enum class DeviceType { kCpu = 1, kGpu = 2, kAccelerator = 3 };

std::string_view DeviceTypeName(DeviceType type);  // "cpu", "gpu", "accelerator"

struct DeviceInfo {
  cl_platform_id platform = nullptr;
  cl_device_id id = nullptr;
  DeviceType type = DeviceType::kCpu;
  std::string name, vendor;
  std::string driver;  // "platform name; device version; driver version"
  uint64_t memory_bytes = 0, max_alloc_bytes = 0;
  uint32_t compute_units = 0;
  // What the driver says; device/int8_dot.h finds out.
  bool claims_integer_dot = false, claims_ptx = false;
  uint64_t local_memory_bytes = 0;  // of a work-group
  uint64_t max_group_size = 0;      // work-items
  bool unified_memory = false;      // shares the host's memory: a CPU or an integrated GPU
};

struct DeviceList {
  std::vector<DeviceInfo> devices;  // by platform name, then as the platform lists them
  std::string reason;               // why `devices` is empty, otherwise ""
};

// Never fails: what went wrong is in `reason`.
DeviceList ListDevices();

// A discrete GPU before accelerators, integrated GPUs and CPU devices. The list must not be empty.
size_t DefaultDevice(const DeviceList& list);

// `wish`: "" = the default; an index; a type ("cpu", "gpu", "accelerator"); or a part of the name
// in any case. Fails with DEVICE, naming what there is, or why there is none.
size_t FindDevice(const DeviceList& list, std::string_view wish);

}  // namespace inference
