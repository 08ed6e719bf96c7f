// The adapters of a transformer block, added to what its linear layers give.
#pragma once

#include <span>
#include <vector>

#include "ops/lora.h"

namespace inference {

// One adapter in one block: groups of layers that read the same input; empty where it has none.
struct BlockLora {
  LoraGroup qkv_proj, o_proj, gate_up_proj, down_proj;

  uint64_t bytes() const;  // on the device
};

// One adapter in one block, and which tokens of the step it is for.
struct ActiveLora {
  const BlockLora* block;
  LoraCoefs coefs;
};

bool HasLora(std::span<const ActiveLora> adapters, LoraGroup BlockLora::*which);

// y += what each adapter adds, in their order. x: [T, in]; y: [T, ...]
void AddLora(Recording& recording, const PreparedInput& x, std::span<const ActiveLora> adapters,
             LoraGroup BlockLora::*which, const Tensor& y);

}  // namespace inference
