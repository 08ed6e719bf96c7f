#include "models/stored_rows.h"

#include <algorithm>
#include <cstring>

#include "models/block_scales.h"
#include "util/error.h"

namespace inference {

namespace {

// What a piece of the matrix needs of one tensor: rows [first, end), put to `at` in the scratch.
// They lie close together, so one read from the first to the last wastes little.
struct RowSpan {
  int64_t first = INT64_MAX, end = 0;
  uint64_t at = 0;

  uint64_t rows() const { return end > first ? static_cast<uint64_t>(end - first) : 0; }
};

uint64_t RowBytes(const TensorEntry& entry) { return entry.bytes / entry.shape[0]; }

void ReadRows(const TensorSet& tensors, const TensorEntry& entry, const RowSpan& span,
              std::span<std::byte> out) {
  tensors.Read(entry, static_cast<uint64_t>(span.first) * RowBytes(entry), out);
}

std::string RowName(const TensorSet& tensors, const TensorEntry& entry, const RowSpan& span,
                    uint64_t byte) {
  return fmt::format("{}: tensor {}: row {}", tensors.file(entry.file).path(), entry.name,
                     static_cast<uint64_t>(span.first) + byte / RowBytes(entry));
}

// MLX's words and E8M0 scales as blocks of ggml: the same codes and exponents in another order.
void ToMxfp4Blocks(const std::byte* words, const std::byte* scales, uint64_t blocks,
                   std::byte* out) {
  for (uint64_t b = 0; b < blocks; ++b, words += 16, out += 17) {
    out[0] = scales[b];
    const auto code = [&](int c) { return (words[c / 2] >> (c % 2 * 4)) & std::byte{15}; };
    for (int j = 0; j < 16; ++j) out[1 + j] = code(j) | (code(j + 16) << 4);
  }
}

// A quantised tensor in parts: each is read as a whole, then the parts of a row are put together.
void ReadParts(const TensorSet& tensors, const StoredTensor& stored, const RowSpan& span,
               uint64_t row_bytes, std::byte* out) {
  const auto read = [&](const TensorEntry& entry) {
    std::vector<std::byte> bytes(span.rows() * RowBytes(entry));
    ReadRows(tensors, entry, span, bytes);
    return bytes;
  };
  const auto read_scales = [&](const TensorEntry& entry) {
    std::vector<std::byte> bytes = read(entry);
    CheckScales(entry.dtype, bytes, [&](uint64_t index) {
      return RowName(tensors, entry, span, index * InfoOf(entry.dtype).block_bytes);
    });
    return bytes;
  };
  const uint64_t value_bytes = RowBytes(*stored.values), scale_bytes = RowBytes(*stored.scales);
  const std::vector<std::byte> values = read(*stored.values), scales = read_scales(*stored.scales);
  if (stored.biases == nullptr) {
    ToMxfp4Blocks(values.data(), scales.data(), scales.size(), out);
    return;
  }
  const std::vector<std::byte> biases = read_scales(*stored.biases);
  for (uint64_t r = 0; r < span.rows(); ++r, out += row_bytes) {
    std::memcpy(out, &values[r * value_bytes], value_bytes);
    std::memcpy(out + value_bytes, &scales[r * scale_bytes], scale_bytes);
    std::memcpy(out + value_bytes + scale_bytes, &biases[r * scale_bytes], scale_bytes);
  }
}

void ReadStored(const TensorSet& tensors, const StoredTensor& stored, const RowSpan& span,
                uint64_t row_bytes, std::span<std::byte> out) {
  const TensorEntry& entry = *stored.values;
  if (stored.scales != nullptr) return ReadParts(tensors, stored, span, row_bytes, out.data());
  ReadRows(tensors, entry, span, out);
  CheckBlockScales(entry.dtype, out, [&](uint64_t block) {
    return RowName(tensors, entry, span, block * InfoOf(entry.dtype).block_bytes);
  });
}

// Bytes of a row as PackRowBlock wants it.
uint64_t GatheredRowBytes(const StoredTensor& stored) {
  uint64_t bytes = RowBytes(*stored.values);
  if (stored.scales != nullptr) bytes += RowBytes(*stored.scales);
  if (stored.biases != nullptr) bytes += RowBytes(*stored.biases);
  return bytes;
}

}  // namespace

RowSource GatherRows(const TensorSet& tensors, std::vector<StoredTensor> stored,
                     std::function<StoredRow(int64_t row)> row_of) {
  const uint64_t row_bytes = GatheredRowBytes(stored[0]);
  return [&tensors, row_bytes, stored = std::move(stored), row_of = std::move(row_of)](
             int64_t first, int64_t count, std::vector<std::byte>& scratch,
             const std::byte** rows) {
    std::vector<RowSpan> spans(stored.size());
    for (int64_t r = first; r < first + count; ++r) {
      const StoredRow row = row_of(r);
      RowSpan& span = spans[row.tensor];
      span.first = std::min(span.first, row.row);
      span.end = std::max(span.end, row.row + 1);
    }
    uint64_t bytes = 0;
    for (RowSpan& span : spans) {
      span.at = bytes;
      bytes += span.rows() * row_bytes;
    }
    if (scratch.size() < bytes) scratch.resize(bytes);
    for (size_t i = 0; i < spans.size(); ++i) {
      if (spans[i].rows() == 0) continue;
      ReadStored(tensors, stored[i], spans[i], row_bytes,
                 std::span(scratch).subspan(spans[i].at, spans[i].rows() * row_bytes));
    }
    for (int64_t r = 0; r < count; ++r) {
      const StoredRow row = row_of(first + r);
      const RowSpan& span = spans[row.tensor];
      rows[r] = scratch.data() + span.at + static_cast<uint64_t>(row.row - span.first) * row_bytes;
    }
  };
}

}  // namespace inference
