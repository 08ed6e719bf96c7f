#include "tensor/packed.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "util/checked.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kRowBlock = 16;
constexpr int64_t kUnitColumns = 32;
constexpr int64_t kBlocksAtOnce = 16;  // row blocks a worker reads and packs before the next

// Mirrors the tables at the head of cl/weights.cl.
struct Layout {
  int64_t header_bytes, super_units, unit_bytes;
};

Layout LayoutOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {0, 1, 2048};
    case DType::kF16:
    case DType::kBF16:
      return {0, 1, 1024};
    case DType::kQ4_0:
      return {0, 1, 32 + 256};
    case DType::kQ4_1:
      return {0, 1, 64 + 256};
    case DType::kQ5_0:
      return {0, 1, 32 + 256 + 64};
    case DType::kQ5_1:
      return {0, 1, 64 + 256 + 64};
    case DType::kQ8_0:
      return {0, 1, 32 + 512};
    case DType::kQ4_K:
      return {64, 8, 32 + 256};
    case DType::kQ5_K:
      return {64, 8, 32 + 256 + 64};
    case DType::kQ6_K:
      return {32, 8, 32 + 256 + 128};
    default:
      Fail(Status::kUnsupported, "weights of type {} are not supported", InfoOf(dtype).name);
  }
}

int64_t RoundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

}  // namespace

bool IsPackable(DType dtype) { return dtype <= DType::kQ6_K; }

std::string TypeDefine(DType dtype) { return fmt::format("-D TYPE_{}", InfoOf(dtype).name); }

uint64_t PackedBytes(DType dtype, int64_t rows, int64_t cols) {
  const Layout layout = LayoutOf(dtype);
  const uint64_t super_columns = static_cast<uint64_t>(layout.super_units * kUnitColumns);
  const uint64_t supers = (static_cast<uint64_t>(cols) + super_columns - 1) / super_columns;
  const uint64_t super_bytes =
      static_cast<uint64_t>(layout.header_bytes + layout.super_units * layout.unit_bytes);
  const auto block = CheckedMul(supers, super_bytes);
  const uint64_t blocks = (static_cast<uint64_t>(rows) + kRowBlock - 1) / kRowBlock;
  const auto total = block ? CheckedMul(*block, blocks) : std::nullopt;
  Require(rows >= 0 && cols >= 0 && total.has_value(), Status::kLimit,
          "weight matrix of {} x {}: size overflows", rows, cols);
  return *total;
}

PackedMatrix PackMatrix(Device& device, DType dtype, int64_t rows, int64_t cols,
                        const RowSource& source) {
  const DTypeInfo& info = InfoOf(dtype);
  Require(cols % info.block_elements == 0, Status::kFormat,
          "weight matrix of {} x {}: rows of type {} hold a multiple of {} values", rows, cols,
          info.name, info.block_elements);
  PackedMatrix out{dtype, rows, cols, device.Allocate(PackedBytes(dtype, rows, cols))};
  std::optional<BufferMapping> mapping;
  device.Run([&] { mapping.emplace(device.Map(out.data)); });

  const int64_t blocks = RoundUp(rows, kRowBlock) / kRowBlock;
  const uint64_t block_bytes = PackedBytes(dtype, kRowBlock, cols);
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    std::vector<std::byte> scratch;
    std::vector<const std::byte*> pointers(kBlocksAtOnce * kRowBlock);
    for (;;) {
      const int64_t first = next.fetch_add(kBlocksAtOnce);
      if (first >= blocks) return;
      const int64_t last = std::min(first + kBlocksAtOnce, blocks);
      try {
        std::fill(pointers.begin(), pointers.end(), nullptr);
        source(first * kRowBlock, std::min(last * kRowBlock, rows) - first * kRowBlock, scratch,
               pointers.data());
        for (int64_t b = first; b < last; ++b) {
          PackRowBlock(
              dtype, cols,
              std::span<const std::byte* const, 16>(&pointers[(b - first) * kRowBlock], 16),
              mapping->span().data() + static_cast<uint64_t>(b) * block_bytes);
        }
      } catch (...) {
        const std::scoped_lock lock(mutex);
        if (!failure) failure = std::current_exception();
        next.store(blocks);
      }
    }
  };
  const int64_t chunks = (blocks + kBlocksAtOnce - 1) / kBlocksAtOnce;
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (int64_t i = 1; i < std::min(chunks, cores); ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  device.Run([&] { mapping.reset(); });
  if (failure) std::rethrow_exception(failure);
  return out;
}

}  // namespace inference
