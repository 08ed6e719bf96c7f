#include "nn/lora.h"

#include <algorithm>

namespace inference {

uint64_t BlockLora::bytes() const {
  return qkv_proj.bytes() + o_proj.bytes() + gate_up_proj.bytes() + down_proj.bytes();
}

bool HasLora(std::span<const ActiveLora> adapters, LoraGroup BlockLora::*which) {
  return std::ranges::any_of(
      adapters, [&](const ActiveLora& active) { return static_cast<bool>(active.block->*which); });
}

void AddLora(Recording& recording, const PreparedInput& x, std::span<const ActiveLora> adapters,
             LoraGroup BlockLora::*which, const Tensor& y) {
  for (const ActiveLora& active : adapters) {
    const LoraGroup& group = active.block->*which;
    if (!group) continue;
    LoraUp(recording, LoraDown(recording, x, group, active.coefs), group, y, active.coefs);
  }
}

}  // namespace inference
