// Rows of the embedding table:  y[t, :] = scale * W[token t, :]
#pragma once

#include "tensor/packed.h"
#include "tensor/recording.h"
#include "tensor/step_buffer.h"

namespace inference {

// W: [V, D]. The ids of the T new tokens come from `step` (the caller has checked them against V).
// Returns [T, D].
Tensor Embed(Recording& recording, const PackedMatrix& W, const StepBuffer& step, int64_t T,
             float scale);

}  // namespace inference
