// Each product kernel against the two limits of the device, measured in the same process: the rate
// of a kernel that only reads (GB/s), and the rate of float32 fma on registers (GFLOP/s).
//   build/bin/op_bench [--benchmark_filter=Matvec/Q4_1]
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "device/bandwidth.h"
#include "device/device.h"
#include "ops/matmul.h"
#include "util/error.h"

namespace inference {
namespace {

constexpr int64_t kColumns = 2048;
constexpr uint64_t kBandwidthBytes = uint64_t{1} << 30;

const std::shared_ptr<Device>& TheDevice() {
  static const std::shared_ptr<Device> device = [] {
    const DeviceList list = ListDevices();
    return Device::Open(list.devices.at(FindDevice(list, "")), {}, nullptr);
  }();
  return device;
}

double ReadLimit() {
  static const double gb_s = MeasureReadBandwidth(*TheDevice(), kBandwidthBytes);
  return gb_s;
}

// fma on sixteen chains of sixteen lanes, nothing else.
double FmaLimit() {
  static const double gflop_s = [] {
    constexpr int32_t kRounds = 1 << 20;
    const std::string source = R"(__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
      void fma_only(__global float* out, const int rounds) {
        float16 a[16];
        for (int i = 0; i < 16; ++i) a[i] = (float16)(i);
        for (int r = 0; r < rounds; ++r) {
          #pragma unroll
          for (int i = 0; i < 16; ++i) a[i] = fma(a[i], (float16)(0.999f), (float16)(0.5f));
        }
        float16 sum = 0;
        for (int i = 0; i < 16; ++i) sum += a[i];
        vstore16(sum, get_global_id(0), out);
      })";
    Device& device = *TheDevice();
    double best = 0;
    device.Run([&] {
      const size_t items = device.info().compute_units;
      Kernel kernel = device.GetKernelFromSource("fma_only", source, "");
      kernel.SetArgs(device.Allocate(items * 64), kRounds);
      for (int run = 0; run < 5; ++run) {
        const auto start = std::chrono::steady_clock::now();
        device.Enqueue(kernel, {items, 1});
        device.Finish();
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        best = std::max(
            best, 2.0 * 16 * 16 * kRounds * static_cast<double>(items) / seconds.count() / 1e9);
      }
    });
    return best;
  }();
  return gflop_s;
}

// y = W x for T rows; W's values do not matter, its size does.
void Product(benchmark::State& state, WeightFormat format, int64_t rows, int64_t T) {
  Device& device = *TheDevice();
  const double limit = T == 1 ? ReadLimit() : FmaLimit();
  const uint64_t bytes = PackedBytes(format, rows, kColumns);
  std::chrono::duration<double> seconds{};
  device.Run([&] {
    const PackedMatrix W{format, rows, kColumns, device.Allocate(bytes), {}};
    const Tensor x{
        device.Allocate(static_cast<uint64_t>(T * kColumns) * 4), {T, kColumns}, nullptr};
    const Tensor y{device.Allocate(static_cast<uint64_t>(T * rows) * 4), {T, rows}, nullptr};
    device.FillZero(W.data, 0, bytes);
    device.FillZero(x.buffer, 0, x.buffer.size());
    Recording recording(TheDevice());
    Project(recording, PrepareInput(recording, {.x = x}), W, y);
    recording.Run();
    device.Finish();
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) {
      recording.Run();
      device.Finish();
    }
    seconds = std::chrono::steady_clock::now() - start;
  });
  const double per_run =
      T == 1 ? static_cast<double>(bytes) : 2.0 * static_cast<double>(T * rows * kColumns);
  const std::string unit = T == 1 ? "GB/s" : "GFLOP/s";
  const double rate = per_run * static_cast<double>(state.iterations()) / seconds.count() / 1e9;
  state.counters[unit] = rate;
  state.counters["share"] = rate / limit;
}

void Register() {
  std::vector<WeightFormat> formats;
  for (int type = 0; IsPackable(static_cast<DType>(type)); ++type) {
    formats.emplace_back(static_cast<DType>(type));
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    formats.push_back(WeightFormat::Affine(bits, 64, DType::kBF16));
  }
  for (const WeightFormat& format : formats) {
    const std::string type =
        format.is_affine() ? fmt::format("Affine{}", format.bits) : NameOf(format);
    // 400 MB of weights: far larger than the caches.
    const int64_t rows = static_cast<int64_t>(400'000'000 / PackedBytes(format, 64, kColumns)) * 64;
    benchmark::RegisterBenchmark(("Matvec/" + type).c_str(), Product, format, rows, 1)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
    benchmark::RegisterBenchmark(("Matmul252/" + type).c_str(), Product, format, 2048, 252)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
}

}  // namespace
}  // namespace inference

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  inference::Register();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
