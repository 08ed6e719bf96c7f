// Products with a packed weight matrix:  y[t, o] = sum_k W[o, k] * a[t, k]
//
// Each sum has one order (cl/matmul_common.cl), whatever the kernel and whatever T is: a row has
// the same bits alone and in a batch, in decode and in prefill. Where the recording rounds
// activations, `a` is rounded first: of each 32 columns, to 255 steps between minus and plus the
// largest. What surrounds a product in a transformer block is fused: how the input is normalised,
// and what happens to the output.
#pragma once

#include "tensor/packed.h"
#include "tensor/recording.h"

namespace inference {

// The input of one or more products.
//   norm_weight empty                a = x
//   norm_weight [D]                  a = rms_norm(x) * norm_weight (Zhang & Sennrich 2019, eq. 4)
//   delta and delta_norm_weight too  sum = x + rms_norm(delta) * delta_norm_weight;
//                                    a = rms_norm(sum) * norm_weight
struct MatmulInput {
  Tensor x;                  // [T, D]
  Tensor norm_weight;        // [D]
  Tensor delta;              // [T, D]
  Tensor delta_norm_weight;  // [D]
  float eps = 0.0f;          // inside the roots
  int64_t first_row = 0;     // only rows [first_row, T) of x and delta are used
};

// An input made ready once for all the products that read it.
class PreparedInput {
 public:
  int64_t T = 0;  // rows in use
  int64_t D = 0;
  MatmulInput input;
  Tensor sum;     // [T, D] where input.delta is given, else empty: the new residual stream
  Tensor packed;  // T > 1 or a GPU device: a in tiles of tokens
  Tensor bytes;   // or, where products use bytes (cl/matmul_int8.cl): the same in 8 bits
};

PreparedInput PrepareInput(Recording& recording, const MatmulInput& input);

// What becomes of a product. EPILOGUE_* in cl/matmul_common.cl.
enum class Epilogue {
  kStore,     // y = product
  kAdd,       // y = product + other: a residual
  kSoftCap,   // y = soft_cap * tanh(product / soft_cap)
  kMulSilu,   // y = silu(other) * product: a gated MLP whose halves cannot share a matrix
  kMulGelu,   // the same with gelu in its tanh form
  kSiluGate,  // rows of W alternate in blocks of 16, gate then up: y = silu(gate) * up
  kGeluGate,
};

struct ProjectOptions {
  Epilogue epilogue = Epilogue::kStore;
  Tensor other;           // [T, rows]; kAdd, kMulSilu and kMulGelu
  float soft_cap = 0.0f;  // > 0; kSoftCap
  int64_t column = 0;
};

// product = a W^T, + W.bias where there is one. Writes columns [column, column + rows) of y [T,
// ...] (half as many for the gated forms).
void Project(Recording& recording, const PreparedInput& a, const PackedMatrix& W, const Tensor& y,
             const ProjectOptions& options = {});

}  // namespace inference
