#include "tensor/step_buffer.h"

#include <algorithm>
#include <bit>

#include "util/error.h"

namespace inference {

namespace {

// Places of cl/step.cl.
constexpr size_t kHeader = 8;
constexpr size_t kLists = 5;  // of T values each, before those of the groups
constexpr int64_t kBlock = 64;
constexpr size_t kFirstWords = 1 << 14;

size_t WordsOf(std::span<const StepRow> rows, const StepShape& shape) {
  const size_t groups = rows.empty() ? 0 : rows[0].tables.size();
  size_t words = kHeader + (kLists + groups) * static_cast<size_t>(shape.tokens);
  for (const StepRow& row : rows) {
    Require(row.tables.size() == groups, Status::kInternal, "step: rows of {} and {} page tables",
            row.tables.size(), groups);
    for (const PageTable& table : row.tables) words += table.pages.size();
  }
  return words;
}

// The lists of T values and the tables behind them.
class Writer {
 public:
  Writer(std::span<const StepRow> rows, const StepShape& shape)
      : T_(static_cast<size_t>(shape.tokens)), words_(WordsOf(rows, shape)) {
    const size_t groups = rows.empty() ? 0 : rows[0].tables.size();
    next_table_ = kHeader + (kLists + groups) * T_;
    for (const StepRow& row : rows) Add(row);
  }
  const std::vector<int32_t>& words() const { return words_; }

 private:
  int32_t& At(size_t list, size_t i) { return words_[kHeader + list * T_ + i]; }

  void Add(const StepRow& row) {
    const size_t n = row.ids.size();
    for (size_t i = 0; i < n; ++i) {
      At(0, token_ + i) = row.ids[i];
      At(1, token_ + i) = static_cast<int32_t>(row.position + static_cast<int64_t>(i));
    }
    if (n == 1) {
      At(2, single_++) = static_cast<int32_t>(token_);
    } else {
      constexpr auto kTile = static_cast<size_t>(kTileTokens);
      for (size_t i = 0; i < n; i += kTile) {
        At(3, tile_++) = static_cast<int32_t>((token_ + i) * 16 + std::min(kTile, n - i));
      }
    }
    for (size_t i = n - static_cast<size_t>(row.outputs); i < n; ++i) {
      At(4, output_++) = static_cast<int32_t>(token_ + i);
    }
    for (size_t g = 0; g < row.tables.size(); ++g) {
      const PageTable& table = row.tables[g];
      const int64_t base = static_cast<int64_t>(next_table_) - table.first_block;
      for (size_t i = 0; i < n; ++i) At(kLists + g, token_ + i) = static_cast<int32_t>(base);
      std::ranges::copy(table.pages, words_.begin() + static_cast<std::ptrdiff_t>(next_table_));
      next_table_ += table.pages.size();
    }
    token_ += n;
  }

  size_t T_;
  std::vector<int32_t> words_;
  size_t next_table_ = 0, token_ = 0, single_ = 0, tile_ = 0, output_ = 0;
};

}  // namespace

StepShape ShapeOf(std::span<const StepRow> rows) {
  StepShape shape;
  for (const StepRow& row : rows) {
    const auto n = static_cast<int64_t>(row.ids.size());
    Require(n >= 1 && row.outputs >= 0 && row.outputs <= n, Status::kInternal,
            "step: a row of {} tokens with {} outputs", n, row.outputs);
    shape.tokens += n;
    shape.outputs += row.outputs;
    if (n == 1) {
      ++shape.singles;
      shape.blocks = std::max(shape.blocks, row.position / kBlock + 1);
    } else {
      shape.tiles += (n + kTileTokens - 1) / kTileTokens;
    }
  }
  shape.blocks = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(shape.blocks)));
  if (shape.singles == 0) shape.blocks = 0;
  return shape;
}

StepBuffer::StepBuffer(Device& device) : buffer_(device.Allocate(kFirstWords * sizeof(int32_t))) {}

bool StepBuffer::Reserve(Device& device, std::span<const StepRow> rows) {
  const size_t bytes = WordsOf(rows, ShapeOf(rows)) * sizeof(int32_t);
  if (bytes <= buffer_.size()) return false;
  buffer_ = device.Allocate(2 * bytes);
  return true;
}

void StepBuffer::Set(Device& device, std::span<const StepRow> rows) {
  const Writer writer(rows, ShapeOf(rows));
  device.Write(buffer_, 0, std::as_bytes(std::span(writer.words())));
}

}  // namespace inference
