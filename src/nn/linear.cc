#include "nn/linear.h"

namespace inference {

Tensor Linear(Recording& recording, const PreparedInput& x, const PackedMatrix& W,
              const Tensor& residual) {
  const Tensor y = recording.Temp({x.T, W.rows});
  Project(recording, x, W, y,
          {.epilogue = residual ? Epilogue::kAdd : Epilogue::kStore, .other = residual});
  return y;
}

Tensor StackedLinear(Recording& recording, const PreparedInput& x,
                     const std::vector<PackedMatrix>& parts) {
  int64_t rows = 0;
  for (const PackedMatrix& W : parts) rows += W.rows;
  const Tensor y = recording.Temp({x.T, rows});
  int64_t column = 0;
  for (const PackedMatrix& W : parts) {
    Project(recording, x, W, y, {.column = column});
    column += W.rows;
  }
  return y;
}

}  // namespace inference
