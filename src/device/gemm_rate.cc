#include "device/gemm_rate.h"

#include <algorithm>
#include <chrono>

#include "device/kernel_sources.h"

namespace inference {

namespace {

constexpr int kRuns = 8;
constexpr int32_t kDepth = 192;  // K: a panel of 32 floats and a tile of tokens fit 48 KiB together

// What work-items keep in registers, and how many of them there are.
struct Form {
  uint64_t tile, width, items, local;
  int32_t rounds;
};

Form FormFor(const DeviceInfo& info) {
  if (info.type == DeviceType::kCpu) {
    // More items than cores: others may use one, too.
    return {.tile = 12, .width = 16, .items = 8 * info.compute_units, .local = 1, .rounds = 1000};
  }
  return {.tile = 8, .width = 4, .items = 1024 * info.compute_units, .local = 128, .rounds = 16};
}

}  // namespace

double MeasureGemmRate(Device& device) {
  const Form form = FormFor(device.info());
  const uint64_t vector_bytes = form.width * sizeof(float);
  const Buffer out = device.Allocate(form.items * form.tile * vector_bytes);
  const Buffer panel = device.Allocate(kDepth * 2 * vector_bytes);
  const Buffer a = device.Allocate(kDepth * form.tile * sizeof(float));
  const double flops = 4.0 * static_cast<double>(form.items * form.tile * form.width) *
                       static_cast<double>(form.rounds) * kDepth;
  double best = 0.0;
  device.Run([&] {
    device.FillZero(panel, 0, panel.size());
    device.FillZero(a, 0, a.size());
    Kernel kernel = device.GetKernelFromSource(
        "gemm_rate", std::string(KernelSource("gemm_rate")),
        fmt::format("-D TILE={} -D VECTOR_WIDTH={}", form.tile, form.width));
    kernel.SetArgs(out, panel, a, kDepth, form.rounds);
    for (int run = 0; run <= kRuns; ++run) {  // the first may compile
      const auto start = std::chrono::steady_clock::now();
      device.Enqueue(kernel, {form.items, form.local});
      device.Finish();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      best = std::max(best, flops / took.count() / 1e9);
    }
  });
  return best;
}

}  // namespace inference
