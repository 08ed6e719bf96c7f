#include "ops/norm.h"

#include "util/error.h"

namespace inference {

Tensor NormRows(Recording& recording, const MatmulInput& input) {
  const int64_t T = input.x.dim(0), D = input.x.dim(1);
  const auto check = [&](const Tensor& t, const Shape& want, const char* name) {
    Require(!t || t.shape == want, Status::kInternal, "norm: {} is [{}], want [{}]", name,
            fmt::join(t.shape, ", "), fmt::join(want, ", "));
  };
  check(input.norm_weight, {D}, "norm_weight");
  check(input.delta, input.x.shape, "delta");
  check(input.delta_norm_weight, {D}, "delta_norm_weight");
  Require(static_cast<bool>(input.delta) == static_cast<bool>(input.delta_norm_weight) &&
              input.first_row == 0,
          Status::kInternal, "norm: a delta without a norm weight, or from row {}, want 0",
          input.first_row);
  const bool raw = input.delta && !input.norm_weight;
  const int32_t mode = input.delta ? 2 : input.norm_weight ? 1 : 0;
  const Tensor y = recording.Temp({T, D});
  const uint64_t bytes = static_cast<uint64_t>(T * D) * sizeof(float);
  recording.Launch("norm_rows", {"matmul_common", "norm"}, "", T,
                   Work{.what = fmt::format("{} columns", D),
                        .read_bytes = (input.delta ? 2 : 1) * bytes,
                        .written_bytes = bytes,
                        .flops = static_cast<uint64_t>(4 * (mode - (raw ? 1 : 0)) * T * D)},
                   y.buffer, input.x.buffer, input.norm_weight.buffer, input.delta.buffer,
                   input.delta_norm_weight.buffer, static_cast<int32_t>(T), static_cast<int32_t>(D),
                   input.eps, mode, static_cast<int32_t>(raw));
  return y;
}

}  // namespace inference
