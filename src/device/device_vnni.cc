#include <array>

#include "device/device.h"
#include "device/kernel_sources.h"
#include "util/error.h"

namespace inference {

namespace {

bool ProcessorHasVnni() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") != 0;
#else
  return false;
#endif
}

}  // namespace

bool Device::HasVnni() {
  CheckThread("HasVnni");
  if (has_vnni_) return *has_vnni_;
  // Other compilers refuse the assembly; asking them leaves a message on the host's terminal.
  const bool is_pocl = info_.driver.find("Portable Computing Language") != std::string::npos;
  has_vnni_ = false;
  if (!is_pocl || info_.type != DeviceType::kCpu || !ProcessorHasVnni()) return false;
  constexpr int kLanes = 16;
  const Buffer sums = Allocate(kLanes * sizeof(int32_t));
  try {
    Kernel kernel = GetKernelFromSource("vnni", std::string(KernelSource("vnni")), "");
    kernel.SetArgs(sums);
    Enqueue(kernel, {1, 1});
  } catch (const Error& error) {
    if (error.status() != Status::kKernelBuild) throw;
    logger_->Log(LogLevel::kWarning, "device", "bytes are multiplied as floats: {}", error.what());
    return false;
  }
  std::array<int32_t, kLanes> got{};
  Read(sums, 0, std::as_writable_bytes(std::span(got)));
  bool is_right = true;
  for (int32_t i = 0; i < kLanes; ++i) {  // see cl/vnni.cl
    is_right = is_right && got[static_cast<size_t>(i)] == 1000 - 255 * (1 + 2 + 3) - i * 128;
  }
  has_vnni_ = is_right;
  return is_right;
}

}  // namespace inference
