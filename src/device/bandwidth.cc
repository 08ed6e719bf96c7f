#include "device/bandwidth.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "device/kernel_sources.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int kRuns = 8;
constexpr uint64_t kCpuItemsPerUnit = 16;  // enough to even out cores that others use, too
constexpr uint64_t kGpuItemsPerUnit = 2048;
constexpr uint64_t kGpuLocal = 256;

double BestSeconds(Device& device, const Kernel& kernel, const Range& range) {
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run <= kRuns; ++run) {  // the first may compile
    const auto start = std::chrono::steady_clock::now();
    device.Enqueue(kernel, range);
    device.Finish();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

}  // namespace

double MeasureReadBandwidth(Device& device, uint64_t bytes) {
  const bool cpu = device.info().type == DeviceType::kCpu;
  const uint64_t width = cpu ? 16 : 4;  // floats
  const uint64_t vectors = bytes / (width * sizeof(float));
  Require(vectors > 0 && vectors < (uint64_t{1} << 31), Status::kArg,
          "read bandwidth: {} bytes, expected {} up to 2^31 times as many", bytes,
          width * sizeof(float));
  const uint64_t items = device.info().compute_units * (cpu ? kCpuItemsPerUnit : kGpuItemsPerUnit);
  const uint64_t chunk = cpu ? (vectors + items - 1) / items : 0;
  Buffer data = device.Allocate(vectors * width * sizeof(float));
  Buffer sums = device.Allocate(items * width * sizeof(float));
  const double seconds = device.Run([&] {
    device.FillZero(data, 0, data.size());  // pages that were never written are not in memory
    Kernel kernel =
        device.GetKernelFromSource("read_bandwidth", std::string(KernelSource("read_bandwidth")),
                                   fmt::format("-D READ_WIDTH={}", width));
    kernel.SetArgs(sums, data, static_cast<uint32_t>(vectors), static_cast<uint32_t>(chunk));
    return BestSeconds(device, kernel, {items, cpu ? 1 : kGpuLocal});
  });
  data = Buffer();
  sums = Buffer();
  device.Trim();
  return static_cast<double>(vectors * width * sizeof(float)) / seconds / 1e9;
}

}  // namespace inference
