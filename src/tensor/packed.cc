#include "tensor/packed.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <vector>

#include "util/checked.h"
#include "util/error.h"
#include "util/parallel.h"

namespace inference {

namespace {

constexpr int64_t kRowBlock = 16;
constexpr int64_t kUnitColumns = 32;
constexpr uint64_t kReadPastEnd = 4;   // bytes; load_word16 in cl/weights.cl
constexpr int64_t kBlocksAtOnce = 16;  // row blocks a worker reads and packs before the next

// Mirrors the tables at the head of cl/weights.cl.
struct Layout {
  int64_t header_bytes, super_units, unit_bytes;
};

constexpr int64_t CodeBytes(int64_t bits) { return kRowBlock * kUnitColumns / 8 * bits; }

Layout LayoutOf(const WeightFormat& format) {
  if (format.is_affine()) {
    return {2 * kRowBlock * InfoOf(format.scales).block_bytes, format.group / kUnitColumns,
            CodeBytes(format.bits)};
  }
  switch (format.dtype) {
    case DType::kF32:
      return {0, 1, 2048};
    case DType::kF16:
    case DType::kBF16:
      return {0, 1, 1024};
    case DType::kQ4_0:
    case DType::kIQ4_NL:
      return {0, 1, 32 + CodeBytes(4)};
    case DType::kMXFP4:
      return {0, 1, 16 + CodeBytes(4)};
    case DType::kQ4_1:
      return {0, 1, 64 + CodeBytes(4)};
    case DType::kQ5_0:
      return {0, 1, 32 + CodeBytes(5)};
    case DType::kQ5_1:
      return {0, 1, 64 + CodeBytes(5)};
    case DType::kQ8_0:
      return {0, 1, 32 + CodeBytes(8)};
    case DType::kQ2_K:
      return {64, 8, 32 + CodeBytes(2)};
    case DType::kQ3_K:
      return {32, 8, 32 + CodeBytes(3)};
    case DType::kQ4_K:
      return {64, 8, 32 + CodeBytes(4)};
    case DType::kQ5_K:
      return {64, 8, 32 + CodeBytes(5)};
    case DType::kQ6_K:
      return {32, 8, 32 + CodeBytes(6)};
    case DType::kIQ4_XS:
      return {32, 8, 16 + CodeBytes(4)};
    default:
      Fail(Status::kUnsupported, "weights of type {} are not supported", NameOf(format));
  }
}

int64_t RoundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

}  // namespace

uint64_t RowBlockBytes(const WeightFormat& format, int64_t cols) {
  const Layout layout = LayoutOf(format);
  const uint64_t super_columns = static_cast<uint64_t>(layout.super_units * kUnitColumns);
  const uint64_t supers = (static_cast<uint64_t>(cols) + super_columns - 1) / super_columns;
  const auto bytes = CheckedMul(
      supers, static_cast<uint64_t>(layout.header_bytes + layout.super_units * layout.unit_bytes));
  Require(cols >= 0 && bytes.has_value(), Status::kLimit, "weight matrix of {} columns: too large",
          cols);
  return *bytes;
}

uint64_t PackedBlockBytes(const WeightFormat& format, int64_t rows, int64_t cols) {
  return PackedBytes(format, rows, cols) - kReadPastEnd;
}

uint64_t PackedBytes(const WeightFormat& format, int64_t rows, int64_t cols) {
  const uint64_t blocks = (static_cast<uint64_t>(rows) + kRowBlock - 1) / kRowBlock;
  const auto product = CheckedMul(RowBlockBytes(format, cols), blocks);
  const auto total = product ? CheckedAdd(*product, kReadPastEnd) : std::nullopt;
  Require(rows >= 0 && total.has_value(), Status::kLimit,
          "weight matrix of {} x {}: size overflows", rows, cols);
  return *total;
}

PackedMatrix PackMatrix(Device& device, const WeightFormat& format, int64_t rows, int64_t cols,
                        const RowSource& source) {
  Require(cols % BlockColumns(format) == 0, Status::kFormat,
          "weight matrix of {} x {}: rows of type {} hold a multiple of {} values", rows, cols,
          NameOf(format), BlockColumns(format));
  PackedMatrix out{format, rows, cols, device.Allocate(PackedBytes(format, rows, cols)), {}};
  std::optional<BufferMapping> mapping;
  device.Run([&] { mapping.emplace(device.Map(out.data)); });

  const int64_t blocks = RoundUp(rows, kRowBlock) / kRowBlock;
  const uint64_t block_bytes = RowBlockBytes(format, cols);
  const auto pack = [&](int64_t chunk, std::vector<std::byte>& scratch) {
    const int64_t first = chunk * kBlocksAtOnce, last = std::min(first + kBlocksAtOnce, blocks);
    std::vector<const std::byte*> pointers(kBlocksAtOnce * kRowBlock, nullptr);
    source(first * kRowBlock, std::min(last * kRowBlock, rows) - first * kRowBlock, scratch,
           pointers.data());
    for (int64_t b = first; b < last; ++b) {
      PackRowBlock(format, cols,
                   std::span<const std::byte* const, 16>(&pointers[(b - first) * kRowBlock], 16),
                   mapping->span().data() + static_cast<uint64_t>(b) * block_bytes);
    }
  };
  std::exception_ptr failure;
  try {
    ParallelFor((blocks + kBlocksAtOnce - 1) / kBlocksAtOnce, pack);
  } catch (...) {
    failure = std::current_exception();
  }
  device.Run([&] { mapping.reset(); });
  if (failure) std::rethrow_exception(failure);
  return out;
}

}  // namespace inference
