// The gate of a gated MLP by itself, for products whose sums something is added to before.
#pragma once

#include "ops/matmul.h"

namespace inference {

// What a product with this epilogue would have made of the sums that one with kStore left, bit for
// bit. gate_up: [T, 2F], blocks of sixteen of gate and up in turn (kSiluGate, kGeluGate; F is a
// multiple of 16), or gate beside up (kMulSilu, kMulGelu). Returns [T, F].
Tensor Gate(Recording& recording, const Tensor& gate_up, Epilogue epilogue);

}  // namespace inference
