#include "ops/embedding.h"

#include "util/error.h"

namespace inference {

Tensor Embed(Recording& recording, const PackedMatrix& W, const StepBuffer& step, int64_t T,
             float scale) {
  Require(T <= step.max_tokens(), Status::kInternal, "embed: {} tokens, the step holds {}", T,
          step.max_tokens());
  Tensor y = recording.Temp({T, W.cols});
  const auto values = static_cast<uint64_t>(T * W.cols);
  const Work work{.what = fmt::format("{} {}x{}", NameOf(W.format), W.rows, W.cols),
                  .weight_bytes = static_cast<uint64_t>(T) * StoredRowBytes(W.format, W.cols),
                  .written_bytes = values * sizeof(float),
                  .flops = values};
  recording.Launch("embed", {"weights", "embedding"},
                   TypeDefine(W.format) + fmt::format(" -D STEP_TOKENS={}", kStepTokens), T, work,
                   y.buffer, W.data, step.buffer(), static_cast<int32_t>(T),
                   static_cast<int32_t>(W.cols), scale);
  return y;
}

}  // namespace inference
