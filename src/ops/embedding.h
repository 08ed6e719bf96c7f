// Rows of the embedding table:  y[t, :] = scale * W[token t, :]
#pragma once

#include "tensor/packed.h"
#include "tensor/recording.h"
#include "tensor/step_buffer.h"

namespace inference {

// W: [V, D]. Of the tokens of the step, whose ids the caller has checked against V. Returns [T, D].
Tensor Embed(Recording& recording, const PackedMatrix& W, const Step& step, float scale);

// Rows of x [T, D]: those of the step's outputs first ... first + count - 1. Returns [count, D].
Tensor TakeOutputs(Recording& recording, const Tensor& x, const Step& step, int64_t first,
                   int64_t count);

}  // namespace inference
