// Low-rank adapters beside linear layers (Hu et al. 2021):  y[t, :] += coef[t] * B (A a[t, :])
//
// Rows of one batch may have different adapters, several, or none: each adapter has a coefficient
// for every token, and leaves a token alone whose coefficient is 0, down to the bits of its y. Sums
// have one order, so a row has the same bits alone and in a batch, where several adapters are added
// in the same order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/matmul.h"

namespace inference {

// The adapter of one linear layer, on the host. y = W a + B A a.
struct LoraValues {
  int64_t rank = 0, in = 0, out = 0;
  std::span<const float> A;  // [rank, in]
  std::span<const float> B;  // [out, rank]
  float scale = 1.0f;        // B is multiplied by it, once
  int64_t column = 0;        // of y: where the layer's outputs begin
};

// One adapter of up to kMaxLoraParts layers that read the same input (q, k and v; gate and up): one
// launch for all their A, one for all their B.
constexpr size_t kMaxLoraParts = 3;

struct LoraGroup {
  struct Part {
    int64_t rank = 0, out = 0, column = 0;
  };
  int64_t in = 0, ranks = 0;  // input features; the sum of the parts' ranks
  int64_t stride = 16;        // columns of y from sixteen outputs to the next of the same layer
  std::vector<Part> parts;
  Buffer A, B;  // in the layouts of cl/lora.cl

  explicit operator bool() const { return !parts.empty(); }
  uint64_t bytes() const { return parts.empty() ? 0 : A.size() + B.size(); }
};

// Bytes of its buffers on the device.
uint64_t LoraBytes(std::span<const LoraValues> layers);

// To the device. stride: 32 where y alternates between blocks of sixteen outputs of two layers, as
// GatedMlp::gate_up_proj does, otherwise 16. NUMERIC where a scaled value of B is not finite. Not
// on the submission thread.
LoraGroup UploadLora(Device& device, std::span<const LoraValues> layers, int64_t stride = 16);

// Coefficients in a device buffer of floats: of token t at [first + t].
struct LoraCoefs {
  Buffer buffer;
  int64_t first = 0;
};

// h = A a, [T, sum of ranks]. `a` is read unrounded even where products round it.
Tensor LoraDown(Recording& recording, const PreparedInput& a, const LoraGroup& group,
                const LoraCoefs& coefs);

// y += coef * B h.   y: [T, ...]
void LoraUp(Recording& recording, const Tensor& h, const LoraGroup& group, const Tensor& y,
            const LoraCoefs& coefs);

}  // namespace inference
