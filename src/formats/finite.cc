#include "formats/finite.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kChunkBytes = 1 << 20;  // a multiple of every element

// The first of `count` numbers whose exponent bits are all set.
template <typename Bits>
std::optional<size_t> FindNotFinite(const std::byte* data, size_t count, Bits exponent) {
  for (size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, data + i * sizeof(Bits), sizeof(Bits));
    if ((bits & exponent) == exponent) return i;
  }
  return std::nullopt;
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

}  // namespace

std::optional<size_t> FindNotFinite(DType dtype, std::span<const std::byte> data) {
  switch (dtype) {
    case DType::kF16:
      return FindNotFinite<uint16_t>(data.data(), data.size() / 2, 0x7C00);
    case DType::kBF16:
      return FindNotFinite<uint16_t>(data.data(), data.size() / 2, 0x7F80);
    case DType::kF32:
      return FindNotFinite<uint32_t>(data.data(), data.size() / 4, 0x7F800000);
    case DType::kF64:
      return FindNotFinite<uint64_t>(data.data(), data.size() / 8, 0x7FF0000000000000);
    default:
      return std::nullopt;
  }
}

void CheckFinite(const TensorSet& tensors, const CancelFlag* cancel) {
  std::vector<std::byte> buffer;
  for (const TensorEntry& entry : tensors.entries()) {
    if (!IsFloat(entry.dtype)) continue;
    for (uint64_t at = 0; at < entry.bytes; at += buffer.size()) {
      ThrowIfCancelled(cancel, "weight check");
      buffer.resize(std::min<uint64_t>(kChunkBytes, entry.bytes - at));
      tensors.Read(entry, at, buffer);
      const std::optional<size_t> bad = FindNotFinite(entry.dtype, buffer);
      if (!bad) continue;
      const uint64_t element_bytes = InfoOf(entry.dtype).block_bytes;
      Fail(Status::kNumeric, "{}: tensor {}: value {} of {} is not a finite number",
           tensors.file(entry.file).path(), Quote(entry.name), at / element_bytes + *bad,
           entry.bytes / element_bytes);
    }
  }
}

}  // namespace inference
