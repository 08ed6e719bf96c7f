// Scales of quantised weights: one that is not finite turns whole rows into NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "util/dtype.h"

namespace inference {

// NUMERIC where a scale or minimum of a block of ggml is infinite or NaN; `where` names the block
// by its number. Types that are not quantised pass.
void CheckBlockScales(DType dtype, std::span<const std::byte> blocks,
                      const std::function<std::string(uint64_t block)>& where);

// The same for scales or biases that stand alone: F16, BF16, F32, or U8, which are E8M0 exponents.
void CheckScales(DType dtype, std::span<const std::byte> scales,
                 const std::function<std::string(uint64_t index)>& where);

}  // namespace inference
