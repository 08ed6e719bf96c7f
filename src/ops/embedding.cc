#include "ops/embedding.h"

#include "util/error.h"

namespace inference {

Tensor Embed(Recording& recording, const PackedMatrix& W, const Step& step, float scale) {
  const int64_t T = step.shape.tokens;
  Tensor y = recording.Temp({T, W.cols});
  const auto values = static_cast<uint64_t>(T * W.cols);
  const Work work{.what = fmt::format("{} {}x{}", NameOf(W.format), W.rows, W.cols),
                  .weight_bytes = static_cast<uint64_t>(T) * StoredRowBytes(W.format, W.cols),
                  .written_bytes = values * sizeof(float),
                  .flops = values};
  recording.Launch("embed", {"step", "weights", "embedding"}, TypeDefine(W.format), T, work,
                   y.buffer, W.data, step.buffer, static_cast<int32_t>(T),
                   static_cast<int32_t>(W.cols), scale);
  return y;
}

Tensor TakeOutputs(Recording& recording, const Tensor& x, const Step& step, int64_t first,
                   int64_t count) {
  const int64_t T = step.shape.tokens, D = x.dim(1);
  Require(x.dim(0) == T && first >= 0 && count >= 1 && first + count <= step.shape.outputs,
          Status::kInternal, "take: outputs [{}, {}) of {}, of {} tokens of {}", first,
          first + count, step.shape.outputs, x.dim(0), T);
  Tensor y = recording.Temp({count, D});
  const uint64_t bytes = static_cast<uint64_t>(count * D) * sizeof(float);
  recording.Launch(
      "take_outputs", {"step", "take_outputs"}, "", count,
      Work{.what = fmt::format("rows of {}", D), .read_bytes = bytes, .written_bytes = bytes},
      y.buffer, x.buffer, step.buffer, static_cast<int32_t>(T), static_cast<int32_t>(first),
      static_cast<int32_t>(count), static_cast<int32_t>(D));
  return y;
}

}  // namespace inference
