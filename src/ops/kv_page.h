// What is in a page of the cache, on the host (layout: cl/kv_cache.cl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "util/dtype.h"

namespace inference {

// Keys, or values, of one layer.
struct KvPage {
  int64_t kv_heads = 0, head_dim = 0;
  DType type = DType::kF32;  // or kF16, kQ8_0
  bool is_keys = false;
};

// Zeros from slot `first` (0 to kCacheBlock) on: what was there belongs to no token.
void ClearSlots(const KvPage& page, std::span<std::byte> bytes, int64_t first);

// Whether all of it is numbers: attention multiplies what it masks by 0.
bool IsFinite(const KvPage& page, std::span<const std::byte> bytes);

}  // namespace inference
