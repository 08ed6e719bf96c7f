#include "ops/kv_page.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/attention.h"
#include "util/error.h"
#include "util/float16.h"

namespace inference {

namespace {

constexpr int64_t kSlots = kCacheBlock;
constexpr int64_t kSlotGroup = 16;     // keys: slots side by side
constexpr int64_t kScaleColumns = 32;  // that share a scale of kQ8_0

struct Layout {
  int64_t columns = 0;       // of a head, padded
  int64_t value_bytes = 0;   // of one value
  int64_t scale_blocks = 0;  // of two bytes a slot each, behind the values of each head
  int64_t head_bytes() const { return kSlots * (columns * value_bytes + 2 * scale_blocks); }
};

Layout LayoutOf(const KvPage& page, size_t bytes) {
  Layout out{.columns = (page.head_dim + 15) / 16 * 16};
  const bool is_q8 = page.type == DType::kQ8_0;
  out.value_bytes = page.type == DType::kF32 ? 4 : is_q8 ? 1 : 2;
  if (is_q8) out.scale_blocks = (out.columns + kScaleColumns - 1) / kScaleColumns;
  Require(static_cast<uint64_t>(page.kv_heads * out.head_bytes()) == bytes, Status::kInternal,
          "KV page: {} bytes, want {}", bytes, page.kv_heads * out.head_bytes());
  return out;
}

bool AreFiniteHalves(std::span<const std::byte> bytes) {
  constexpr unsigned kExponent = 0x7C00;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    uint16_t half = 0;
    std::memcpy(&half, &bytes[i], sizeof(half));
    if ((half & kExponent) == kExponent) return false;
  }
  return true;
}

bool AreFiniteFloats(std::span<const std::byte> bytes) {
  for (size_t i = 0; i + 3 < bytes.size(); i += 4) {
    float value = 0.0f;
    std::memcpy(&value, &bytes[i], sizeof(value));
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

void ClearSlots(const KvPage& page, std::span<std::byte> bytes, int64_t first) {
  const Layout layout = LayoutOf(page, bytes.size());
  const auto clear = [&](int64_t from, int64_t to) {
    const auto part = bytes.subspan(static_cast<size_t>(from), static_cast<size_t>(to - from));
    std::ranges::fill(part, std::byte{0});
  };
  for (int64_t head = 0; head < page.kv_heads; ++head) {
    const int64_t begin = head * layout.head_bytes();
    const int64_t scales = begin + kSlots * layout.columns * layout.value_bytes;
    if (page.is_keys) {
      for (int64_t group = first / kSlotGroup; group < kSlots / kSlotGroup; ++group) {
        const int64_t from = std::max<int64_t>(0, first - group * kSlotGroup);
        for (int64_t column = 0; column < layout.columns; ++column) {
          const int64_t row =
              begin + (group * layout.columns + column) * kSlotGroup * layout.value_bytes;
          clear(row + from * layout.value_bytes, row + kSlotGroup * layout.value_bytes);
        }
      }
    } else {
      clear(begin + first * layout.columns * layout.value_bytes, scales);
    }
    for (int64_t block = 0; block < layout.scale_blocks; ++block) {
      clear(scales + 2 * (block * kSlots + first), scales + 2 * (block + 1) * kSlots);
    }
  }
}

bool IsFinite(const KvPage& page, std::span<const std::byte> bytes) {
  const Layout layout = LayoutOf(page, bytes.size());
  if (page.type == DType::kF32) return AreFiniteFloats(bytes);
  if (page.type == DType::kF16) return AreFiniteHalves(bytes);
  const auto head_bytes = static_cast<size_t>(layout.head_bytes());
  const auto scales = static_cast<size_t>(kSlots * 2 * layout.scale_blocks);
  for (; !bytes.empty(); bytes = bytes.subspan(head_bytes)) {
    if (!AreFiniteHalves(bytes.subspan(head_bytes - scales, scales))) return false;
  }
  return true;
}

}  // namespace inference
