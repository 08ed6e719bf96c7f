#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "formats/safetensors_file.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr uint64_t kPrefixBytes = 8;  // the header's length, little-endian
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

std::string ReadHeaderText(const File& file) {
  Require(file.size() >= kPrefixBytes, Status::kFormat,
          "{}: has {} bytes, shorter than the 8-byte header length", file.path(), file.size());
  std::array<std::byte, kPrefixBytes> prefix;
  file.ReadAt(0, prefix);
  uint64_t length = 0;
  for (size_t i = kPrefixBytes; i-- > 0;)
    length = length << 8 | std::to_integer<uint64_t>(prefix[i]);
  Require(length <= file.size() - kPrefixBytes, Status::kFormat,
          "{}: header length {} runs past the end, the file has {} bytes", file.path(), length,
          file.size());
  Require(length <= kMaxHeaderBytes, Status::kLimit, "{}: header length {} is over {}", file.path(),
          length, kMaxHeaderBytes);
  std::string header(length, '\0');
  file.ReadAt(kPrefixBytes, std::as_writable_bytes(std::span(header)));
  Require(header.starts_with('{'), Status::kFormat, "{}: header begins with {}, expected '{{'",
          file.path(), Quote(header.substr(0, 1)));
  return header;
}

// The tensors of a file must fill its data bytes exactly: nothing hides between or behind them.
void CheckTiling(const File& file, uint64_t data_start, std::span<const TensorEntry> entries) {
  std::vector<const TensorEntry*> order;
  order.reserve(entries.size());
  for (const TensorEntry& entry : entries) order.push_back(&entry);
  std::ranges::sort(order, {},
                    [](const TensorEntry* e) { return std::tuple(e->offset, e->bytes); });
  uint64_t end = data_start;
  for (const TensorEntry* entry : order) {
    Require(entry->offset == end, Status::kFormat,
            "{}: tensor {}: begins at data byte {}, expected {}: {}", file.path(),
            Quote(entry->name), entry->offset - data_start, end - data_start,
            entry->offset > end ? "a gap" : "an overlap");
    end += entry->bytes;
  }
  Require(end == file.size(), Status::kFormat,
          "{}: tensors end at data byte {}, the file has {} data bytes: a gap", file.path(),
          end - data_start, file.size() - data_start);
}

}  // namespace

void AddSafetensorsFile(File file, TensorSet* set) {
  const size_t first = set->entries().size();
  const uint32_t index = set->AddFile(std::move(file));
  const std::string header = ReadHeaderText(set->file(index));
  const uint64_t data_start = kPrefixBytes + header.size();
  ReadSafetensorsHeader(header, data_start, index, set);
  CheckTiling(set->file(index), data_start, std::span(set->entries()).subspan(first));
}

TensorSet OpenSafetensors(File file) {
  TensorSet set;
  AddSafetensorsFile(std::move(file), &set);
  return set;
}

TensorSet OpenSafetensors(const std::string& path) { return OpenSafetensors(File::Open(path)); }

}  // namespace inference
