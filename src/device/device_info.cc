#include "device/device_info.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>

#include "device/cl_error.h"
#include "device/signals.h"

namespace inference {

namespace {

// A text property through `get`, a clGetPlatformInfo or clGetDeviceInfo with its object bound.
template <typename Get>
std::string Text(const Get& get) {
  size_t bytes = 0;
  if (get(0, nullptr, &bytes) != CL_SUCCESS || bytes == 0) return {};
  std::string text(bytes, '\0');
  if (get(bytes, text.data(), nullptr) != CL_SUCCESS) return {};
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

std::string PlatformText(cl_platform_id platform, cl_platform_info what) {
  return Text([&](size_t bytes, void* out, size_t* needed) {
    return clGetPlatformInfo(platform, what, bytes, out, needed);
  });
}

std::string DeviceText(cl_device_id device, cl_device_info what) {
  return Text([&](size_t bytes, void* out, size_t* needed) {
    return clGetDeviceInfo(device, what, bytes, out, needed);
  });
}

template <typename T>
T DeviceValue(cl_device_id device, cl_device_info what) {
  T value{};
  clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return value;
}

std::optional<DeviceInfo> Describe(cl_platform_id platform, const std::string& platform_name,
                                   cl_device_id id) {
  const bool usable = DeviceValue<cl_bool>(id, CL_DEVICE_AVAILABLE) == CL_TRUE &&
                      DeviceValue<cl_bool>(id, CL_DEVICE_COMPILER_AVAILABLE) == CL_TRUE;
  const auto type = DeviceValue<cl_device_type>(id, CL_DEVICE_TYPE);
  DeviceInfo info;
  if ((type & CL_DEVICE_TYPE_GPU) != 0) {
    info.type = DeviceType::kGpu;
  } else if ((type & CL_DEVICE_TYPE_ACCELERATOR) != 0) {
    info.type = DeviceType::kAccelerator;
  } else if ((type & CL_DEVICE_TYPE_CPU) == 0 || !usable) {
    return std::nullopt;
  }
  if (!usable) return std::nullopt;
  info.platform = platform;
  info.id = id;
  info.name = DeviceText(id, CL_DEVICE_NAME);
  info.vendor = DeviceText(id, CL_DEVICE_VENDOR);
  info.driver = fmt::format("{}; {}; {}", platform_name, DeviceText(id, CL_DEVICE_VERSION),
                            DeviceText(id, CL_DRIVER_VERSION));
  info.memory_bytes = DeviceValue<cl_ulong>(id, CL_DEVICE_GLOBAL_MEM_SIZE);
  info.max_alloc_bytes = DeviceValue<cl_ulong>(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  info.compute_units = DeviceValue<cl_uint>(id, CL_DEVICE_MAX_COMPUTE_UNITS);
  const std::string extensions = DeviceText(id, CL_DEVICE_EXTENSIONS) + " ";
  info.claims_integer_dot = extensions.find("cl_khr_integer_dot_product ") != std::string::npos;
  info.claims_ptx = extensions.find("cl_nv_") != std::string::npos;
  info.local_memory_bytes = DeviceValue<cl_ulong>(id, CL_DEVICE_LOCAL_MEM_SIZE);
  info.max_group_size = DeviceValue<size_t>(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
  info.unified_memory = DeviceValue<cl_bool>(id, CL_DEVICE_HOST_UNIFIED_MEMORY) == CL_TRUE;
  return info;
}

// Where PoCL keeps its kernels; without a folder it can write, it offers no device.
std::string PoclCacheDirectory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string own = variable("POCL_CACHE_DIR"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/pocl/kcache";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/pocl/kcache";
  return "/tmp/pocl/kcache";
}

std::string WhyNoDevice(const std::string& platform_name, cl_int code) {
  std::string why =
      fmt::format("platform '{}': clGetDeviceIDs: {}", platform_name, ClCodeName(code));
  if (platform_name == "Portable Computing Language") {
    why += fmt::format(
        "; PoCL offers no device when it cannot write its cache directory '{}' "
        "(POCL_CACHE_DIR, XDG_CACHE_HOME or HOME name another)",
        PoclCacheDirectory());
  }
  return why;
}

struct Platform {
  cl_platform_id id;
  std::string name;
};

// Sorted by name: the loader's order is that of the files in a folder.
cl_int ListPlatforms(std::vector<Platform>& platforms) {
  cl_uint count = 0;
  if (const cl_int code = clGetPlatformIDs(0, nullptr, &count); code != CL_SUCCESS) return code;
  std::vector<cl_platform_id> ids(count);
  if (count == 0) return CL_SUCCESS;
  if (const cl_int code = clGetPlatformIDs(count, ids.data(), nullptr); code != CL_SUCCESS) {
    return code;
  }
  for (const cl_platform_id id : ids) {
    platforms.push_back({id, PlatformText(id, CL_PLATFORM_NAME)});
  }
  std::stable_sort(platforms.begin(), platforms.end(),
                   [](const Platform& a, const Platform& b) { return a.name < b.name; });
  return CL_SUCCESS;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

int Rank(const DeviceInfo& info) {
  if (info.type == DeviceType::kGpu) return info.unified_memory ? 2 : 0;
  return info.type == DeviceType::kAccelerator ? 1 : 3;
}

// The first of the best rank among those that `accept`; the list's size where there is none.
template <typename Accept>
size_t Best(const DeviceList& list, const Accept& accept) {
  size_t best = list.devices.size();
  for (size_t i = 0; i < list.devices.size(); ++i) {
    if (!accept(list.devices[i])) continue;
    if (best == list.devices.size() || Rank(list.devices[i]) < Rank(list.devices[best])) best = i;
  }
  return best;
}

}  // namespace

std::string_view DeviceTypeName(DeviceType type) {
  switch (type) {
    case DeviceType::kCpu:
      return "cpu";
    case DeviceType::kGpu:
      return "gpu";
    case DeviceType::kAccelerator:
      return "accelerator";
  }
  return "unknown";
}

DeviceList ListDevices() {
  // One thread at a time: a second one that asks PoCL while it starts gets no device, or crashes.
  static constinit std::mutex mutex;
  const std::lock_guard lock(mutex);
  const SignalGuard guard;
  const BlockSignals blocked;  // PoCL starts its worker threads when devices are first asked for
  DeviceList list;
  std::vector<Platform> platforms;
  const cl_int code = ListPlatforms(platforms);
  if (code != CL_SUCCESS || platforms.empty()) {
    list.reason = fmt::format(
        "clGetPlatformIDs: {}: no OpenCL driver is registered in /etc/OpenCL/vendors "
        "(on Debian, the package pocl-opencl-icd has one for CPUs)",
        ClCodeName(code));
    return list;
  }
  std::vector<std::string> reasons;
  for (const Platform& platform : platforms) {
    cl_uint count = 0;
    const cl_int found = clGetDeviceIDs(platform.id, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
    if (found != CL_SUCCESS || count == 0) {
      reasons.push_back(
          WhyNoDevice(platform.name, found == CL_SUCCESS ? CL_DEVICE_NOT_FOUND : found));
      continue;
    }
    std::vector<cl_device_id> ids(count);
    if (clGetDeviceIDs(platform.id, CL_DEVICE_TYPE_ALL, count, ids.data(), nullptr) != CL_SUCCESS) {
      continue;
    }
    for (const cl_device_id id : ids) {
      if (auto info = Describe(platform.id, platform.name, id)) {
        list.devices.push_back(std::move(*info));
      } else {
        reasons.push_back(
            fmt::format("platform '{}': device '{}' is not available or has no compiler",
                        platform.name, DeviceText(id, CL_DEVICE_NAME)));
      }
    }
  }
  if (list.devices.empty()) list.reason = fmt::format("{}", fmt::join(reasons, "; "));
  return list;
}

size_t DefaultDevice(const DeviceList& list) {
  Require(!list.devices.empty(), Status::kDevice, "no OpenCL device: {}", list.reason);
  return Best(list, [](const DeviceInfo&) { return true; });
}

size_t FindDevice(const DeviceList& list, std::string_view wish) {
  if (wish.empty() || list.devices.empty()) return DefaultDevice(list);
  const std::string lower = Lower(wish);
  size_t index = 0;
  const auto [end, code] = std::from_chars(lower.data(), lower.data() + lower.size(), index);
  const bool is_index = code == std::errc() && end == lower.data() + lower.size();
  if (is_index && index < list.devices.size()) return index;
  if (!is_index) {
    const size_t by_type =
        Best(list, [&](const DeviceInfo& info) { return DeviceTypeName(info.type) == lower; });
    if (by_type < list.devices.size()) return by_type;
    const size_t by_name = Best(list, [&](const DeviceInfo& info) {
      return Lower(info.name).find(lower) != std::string::npos;
    });
    if (by_name < list.devices.size()) return by_name;
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < list.devices.size(); ++i) {
    names.push_back(fmt::format("{}: '{}' ({})", i, list.devices[i].name,
                                DeviceTypeName(list.devices[i].type)));
  }
  Fail(
      Status::kDevice,
      "device {}: no such device; expected an index, a type (cpu, gpu, accelerator) or a part of a "
      "name; there are: {}",
      Quote(wish), fmt::join(names, ", "));
}

}  // namespace inference
