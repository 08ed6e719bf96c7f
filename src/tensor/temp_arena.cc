#include "tensor/temp_arena.h"

#include "util/checked.h"
#include "util/error.h"

namespace inference {

Tensor TempArena::Take(const Shape& shape) {
  uint64_t bytes = sizeof(float);
  for (const int64_t extent : shape) {
    const auto product = CheckedMul(bytes, static_cast<uint64_t>(extent));
    Require(extent >= 0 && product.has_value(), Status::kLimit,
            "intermediate tensor: size overflows");
    bytes = *product;
  }
  Buffer buffer;
  // A block up to twice the size serves: small ones must not pin the large.
  if (const auto it = free_.lower_bound(bytes); it != free_.end() && it->first <= 2 * bytes) {
    buffer = it->second;
    free_.erase(it);
  } else {
    buffer = device_->Allocate(bytes);
  }
  const std::weak_ptr<TempArena> arena = weak_from_this();
  std::shared_ptr<void> lease(nullptr, [arena, buffer](void*) {
    if (const auto home = arena.lock()) home->free_.emplace(buffer.size(), buffer);
  });
  return {std::move(buffer), shape, std::move(lease)};
}

}  // namespace inference
