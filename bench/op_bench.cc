// Each kernel against the two limits of the device, measured in the same process: the rate of a
// kernel that only reads, and the rate of float32 products. Bytes and operations are those that the
// ops state.
//   build/bin/op_bench [--benchmark_filter=Matvec/Q4_1] [--benchmark_out=ops.json]
// bench/roofline draws the JSON.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "device/bandwidth.h"
#include "device/gemm_rate.h"
#include "op_cases.h"

namespace inference {
namespace {

constexpr uint64_t kBandwidthBytes = uint64_t{1} << 30;

// INFERENCE_DEVICE: as the option "device" of a model.
const std::shared_ptr<Device>& TheDevice() {
  static const std::shared_ptr<Device> device = [] {
    const char* wish = std::getenv("INFERENCE_DEVICE");
    const DeviceList list = ListDevices();
    return Device::Open(list.devices.at(FindDevice(list, wish == nullptr ? "" : wish)), {},
                        nullptr);
  }();
  return device;
}

struct Limits {
  double read_gb_s, gemm_gflop_s;
};

// Right now: a shared machine is not always as fast.
Limits MeasureLimits() {
  return {MeasureReadBandwidth(*TheDevice(), kBandwidthBytes), MeasureGemmRate(*TheDevice())};
}

// What one run moves and computes.
Work WorkOf(Device& device, Recording& recording, int64_t position) {
  device.StartProfile();
  recording.Run(position);
  Work sum;
  for (const KernelTime& time : device.StopProfile()) {
    sum.weight_bytes += time.work.weight_bytes;
    sum.read_bytes += time.work.read_bytes;
    sum.written_bytes += time.work.written_bytes;
    sum.flops += time.work.flops;
  }
  return sum;
}

void Measure(benchmark::State& state, const OpCase& op) {
  if (!op.record) return state.SkipWithError(op.note.c_str());
  Device& device = *TheDevice();
  Work work;
  std::chrono::duration<double> seconds{};
  device.Run([&] {
    Recording recording(TheDevice());
    const std::shared_ptr<void> memory = op.record(recording);
    recording.Run(op.position);  // compiles
    device.Finish();
    work = WorkOf(device, recording, op.position);
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) {
      recording.Run(op.position);
      device.Finish();
    }
    seconds = std::chrono::steady_clock::now() - start;
  });
  device.Trim();
  const Limits limits = MeasureLimits();
  const double runs_s = static_cast<double>(state.iterations()) / seconds.count() / 1e9;
  const auto bytes = static_cast<double>(work.weight_bytes + work.read_bytes + work.written_bytes);
  const double gb_s = bytes * runs_s, gflop_s = static_cast<double>(work.flops) * runs_s;
  state.counters["GB/s"] = gb_s;
  state.counters["GFLOP/s"] = gflop_s;
  state.counters["share"] = std::max(gb_s / limits.read_gb_s, gflop_s / limits.gemm_gflop_s);
  state.counters["bytes"] = bytes;
  state.counters["flops"] = static_cast<double>(work.flops);
  state.SetLabel(op.note);
}

}  // namespace
}  // namespace inference

int main(int argc, char** argv) {
  using namespace inference;
  benchmark::Initialize(&argc, argv);
  for (const auto& cases : {ProductCases(), ModelPartCases()}) {
    for (const OpCase& op : cases) {
      benchmark::RegisterBenchmark(op.name.c_str(), Measure, op)
          ->MeasureProcessCPUTime()
          ->UseRealTime();
    }
  }
  const Limits limits = MeasureLimits();
  benchmark::AddCustomContext("device", TheDevice()->info().name);
  benchmark::AddCustomContext("driver", TheDevice()->info().driver);
  benchmark::AddCustomContext("read_gb_s", fmt::format("{:.1f}", limits.read_gb_s));
  benchmark::AddCustomContext("gemm_gflop_s", fmt::format("{:.1f}", limits.gemm_gflop_s));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
