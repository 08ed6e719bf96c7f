#include "ops/gate.h"

#include "util/error.h"

namespace inference {

Tensor Gate(Recording& recording, const Tensor& gate_up, Epilogue epilogue) {
  const bool alternates = epilogue == Epilogue::kSiluGate || epilogue == Epilogue::kGeluGate;
  const bool gelu = epilogue == Epilogue::kGeluGate || epilogue == Epilogue::kMulGelu;
  Require(alternates || epilogue == Epilogue::kMulSilu || epilogue == Epilogue::kMulGelu,
          Status::kInternal, "gate: epilogue {} has no gate", static_cast<int>(epilogue));
  Require(gate_up.shape.size() == 2 && gate_up.dim(1) % (alternates ? 32 : 2) == 0,
          Status::kInternal, "gate: gate and up are [{}], want [T, a multiple of {}]",
          fmt::join(gate_up.shape, ", "), alternates ? 32 : 2);
  const int64_t T = gate_up.dim(0), F = gate_up.dim(1) / 2;
  Tensor h = recording.Temp({T, F});
  const auto outputs = static_cast<uint64_t>(T * F);
  recording.Launch("gate", {"matmul_common", "gate"}, "", T * ((F + 15) / 16),
                   Work{.what = fmt::format("{} columns", F),
                        .read_bytes = 2 * outputs * sizeof(float),
                        .written_bytes = outputs * sizeof(float),
                        .flops = 24 * outputs},
                   h.buffer, gate_up.buffer, static_cast<int32_t>(T), static_cast<int32_t>(F),
                   static_cast<int32_t>(alternates ? 16 : F), gelu ? 1 : 0);
  return h;
}

}  // namespace inference
