// The gate by itself against a double loop, and bit for bit against products that gate their sums.
#include "ops/gate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr KernelFamily kFamilies[] = {KernelFamily::kCpu, KernelFamily::kGpu};

std::vector<float> RunGate(KernelFamily family, int64_t T, int64_t F,
                           const std::vector<float>& gate_up, Epilogue epilogue) {
  return TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    const Tensor h = Gate(recording, Upload({T, 2 * F}, gate_up), epilogue);
    recording.Run();
    return Download(h.buffer, static_cast<size_t>(T * F));
  });
}

TEST(GateTest, IsWhatADoubleLoopSays) {
  for (const auto& [T, F] : {std::pair{1, 16}, {3, 48}, {2, 1}, {2, 21}, {1, 100}}) {
    const std::vector<float> gate_up = RandomNormal(static_cast<size_t>(T * F * 2), 3, 3.0f);
    for (const Epilogue epilogue :
         {Epilogue::kSiluGate, Epilogue::kGeluGate, Epilogue::kMulSilu, Epilogue::kMulGelu}) {
      const bool alternates = epilogue == Epilogue::kSiluGate || epilogue == Epilogue::kGeluGate;
      const bool gelu = epilogue == Epilogue::kGeluGate || epilogue == Epilogue::kMulGelu;
      if (alternates && F % 16 != 0) continue;
      for (const KernelFamily family : kFamilies) {
        const std::vector<float> got = RunGate(family, T, F, gate_up, epilogue);
        for (int t = 0; t < T; ++t) {
          for (int f = 0; f < F; ++f) {
            const int at = t * 2 * F + (alternates ? f / 16 * 32 + f % 16 : f);
            const auto x = static_cast<double>(gate_up[static_cast<size_t>(at)]);
            const auto up =
                static_cast<double>(gate_up[static_cast<size_t>(at + (alternates ? 16 : F))]);
            const double silu = x / (1.0 + std::exp(-x));
            const double tanh = std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
            const double want = (gelu ? 0.5 * x * (1.0 + tanh) : silu) * up;
            EXPECT_NEAR(static_cast<double>(got[static_cast<size_t>(t * F + f)]), want,
                        3e-6 * std::abs(x * up) + 1e-9)
                << "F " << F << " at " << t << ", " << f;
          }
        }
      }
    }
  }
}

PackedMatrix Weight(int64_t rows, int64_t cols, const std::vector<float>& values) {
  return PackMatrix(
      *TestDevice(), DType::kF32, rows, cols,
      [&](int64_t first, int64_t count, std::vector<std::byte>&, const std::byte** out) {
        for (int64_t i = 0; i < count; ++i) {
          out[i] =
              reinterpret_cast<const std::byte*>(&values[static_cast<size_t>((first + i) * cols)]);
        }
      });
}

// A product that stores its sums, and then the gate: the product that gates them.
TEST(GateTest, HasTheBitsOfProductsThatGate) {
  constexpr int64_t kT = 5, kF = 48, kD = 40;
  const std::vector<float> values = RandomNormal(2 * kF * kD, 5), x = RandomNormal(kT * kD, 6);
  const PackedMatrix both = Weight(2 * kF, kD, values), up = Weight(kF, kD, values);
  for (const KernelFamily family : kFamilies) {
    for (const bool gelu : {false, true}) {
      const Epilogue alternating = gelu ? Epilogue::kGeluGate : Epilogue::kSiluGate;
      const Epilogue beside = gelu ? Epilogue::kMulGelu : Epilogue::kMulSilu;
      TestDevice()->Run([&] {
        Recording recording(TestDevice(), family);
        const PreparedInput a = PrepareInput(recording, {.x = Upload({kT, kD}, x)});
        const Tensor fused = recording.Temp({kT, kF}), sums = recording.Temp({kT, 2 * kF});
        Project(recording, a, both, fused, {.epilogue = alternating});
        Project(recording, a, both, sums);
        const Tensor apart = Gate(recording, sums, alternating);
        const Tensor gate = recording.Temp({kT, kF}), gated = recording.Temp({kT, kF}),
                     halves = recording.Temp({kT, 2 * kF});
        Project(recording, a, up, gate);
        Project(recording, a, up, gated, {.epilogue = beside, .other = gate});
        Project(recording, a, up, halves);
        Project(recording, a, up, halves, {.column = kF});
        const Tensor of_halves = Gate(recording, halves, beside);
        recording.Run();
        EXPECT_EQ(Download(fused.buffer, kT * kF), Download(apart.buffer, kT * kF));
        EXPECT_EQ(Download(gated.buffer, kT * kF), Download(of_halves.buffer, kT * kF));
      });
    }
  }
}

TEST(GateTest, RefusesWhatHasNoGate) {
  TestDevice()->Run([&] {
    Recording recording(TestDevice());
    const Tensor sums = recording.Temp({2, 48});
    ExpectError(Status::kInternal, {"epilogue 0 has no gate"},
                [&] { Gate(recording, sums, Epilogue::kStore); });
    ExpectError(Status::kInternal, {"are [2, 48], want [T, a multiple of 32]"},
                [&] { Gate(recording, sums, Epilogue::kSiluGate); });
  });
}

}  // namespace
}  // namespace inference
