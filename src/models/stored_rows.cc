#include "models/stored_rows.h"

#include <algorithm>

#include "models/block_scales.h"
#include "util/error.h"

namespace inference {

namespace {

// What a piece of the matrix needs of one tensor: rows [first, end), read to `at` in the scratch.
// They lie close together, so one read from the first to the last wastes little.
struct RowSpan {
  int64_t first = INT64_MAX, end = 0;
  uint64_t at = 0;

  uint64_t rows() const { return end > first ? static_cast<uint64_t>(end - first) : 0; }
};

void ReadSpan(const TensorSet& tensors, const TensorEntry& entry, uint64_t row_bytes,
              const RowSpan& span, std::span<std::byte> out) {
  tensors.Read(entry, static_cast<uint64_t>(span.first) * row_bytes, out);
  CheckBlockScales(entry.dtype, out, [&](uint64_t block) {
    const uint64_t row = block * InfoOf(entry.dtype).block_bytes / row_bytes;
    return fmt::format("{}: tensor {}: row {}", tensors.file(entry.file).path(), entry.name,
                       static_cast<uint64_t>(span.first) + row);
  });
}

}  // namespace

RowSource GatherRows(const TensorSet& tensors, std::vector<const TensorEntry*> entries,
                     std::function<StoredRow(int64_t row)> row_of) {
  const uint64_t row_bytes = entries[0]->bytes / entries[0]->shape[0];
  return
      [&tensors, row_bytes, entries = std::move(entries), row_of = std::move(row_of)](
          int64_t first, int64_t count, std::vector<std::byte>& scratch, const std::byte** rows) {
        std::vector<RowSpan> spans(entries.size());
        for (int64_t r = first; r < first + count; ++r) {
          const StoredRow stored = row_of(r);
          RowSpan& span = spans[stored.tensor];
          span.first = std::min(span.first, stored.row);
          span.end = std::max(span.end, stored.row + 1);
        }
        uint64_t bytes = 0;
        for (RowSpan& span : spans) {
          span.at = bytes;
          bytes += span.rows() * row_bytes;
        }
        if (scratch.size() < bytes) scratch.resize(bytes);
        for (size_t i = 0; i < spans.size(); ++i) {
          if (spans[i].rows() == 0) continue;
          ReadSpan(tensors, *entries[i], row_bytes, spans[i],
                   std::span(scratch).subspan(spans[i].at, spans[i].rows() * row_bytes));
        }
        for (int64_t r = 0; r < count; ++r) {
          const StoredRow stored = row_of(first + r);
          const RowSpan& span = spans[stored.tensor];
          rows[r] =
              scratch.data() + span.at + static_cast<uint64_t>(stored.row - span.first) * row_bytes;
        }
      };
}

}  // namespace inference
