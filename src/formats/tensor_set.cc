#include "formats/tensor_set.h"

#include <algorithm>
#include <utility>

#include "util/checked.h"
#include "util/error.h"

namespace inference {

uint64_t TensorBytes(const File& file, std::string_view name, DType dtype,
                     std::span<const uint64_t> shape) {
  const DTypeInfo& info = InfoOf(dtype);
  const uint64_t row = shape.empty() ? 1 : shape.back();
  Require(row % info.block_elements == 0, Status::kFormat,
          "{}: tensor {}: rows have {} elements, {} wants a multiple of {}", file.path(),
          Quote(name), row, info.name, info.block_elements);
  bool is_empty = false;
  std::optional<uint64_t> elements = 1;
  for (const uint64_t dim : shape) {
    is_empty |= dim == 0;
    if (elements) elements = CheckedMul(*elements, std::max<uint64_t>(dim, 1));
  }
  const std::optional<uint64_t> bytes = elements ? BytesOf(dtype, *elements) : std::nullopt;
  if (is_empty && elements) return 0;
  Require(bytes.has_value(), Status::kFormat, "{}: tensor {}: size of {} [{}] overflows 64 bits",
          file.path(), Quote(name), info.name, fmt::join(shape, ", "));
  return *bytes;
}

uint32_t TensorSet::AddFile(File file) {
  files_.push_back(std::move(file));
  if (files_.size() > kMaxOpenFiles) files_.back().Park();
  return static_cast<uint32_t>(files_.size() - 1);
}

void TensorSet::Add(TensorEntry entry) {
  const File& file = files_[entry.file];
  Require(entries_.size() < kMaxTensors, Status::kLimit, "{}: has more than {} tensors",
          file.path(), kMaxTensors);
  const auto [at, is_new] = by_name_.try_emplace(entry.name, entries_.size());
  if (!is_new) {
    const File& first = files_[entries_[at->second].file];
    Fail(Status::kFormat, "{}: duplicate tensor {}, the first is in {}", file.path(),
         Quote(entry.name), &first == &file ? "this file" : first.path());
  }
  entries_.push_back(std::move(entry));
}

const TensorEntry* TensorSet::Find(std::string_view name) const {
  const auto at = by_name_.find(std::string(name));
  return at == by_name_.end() ? nullptr : &entries_[at->second];
}

uint64_t TensorSet::total_bytes() const {
  uint64_t total = 0;  // every tensor lies in its own bytes of a file: no overflow
  for (const TensorEntry& entry : entries_) total += entry.bytes;
  return total;
}

void TensorSet::Read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const {
  Require(offset <= entry.bytes && out.size() <= entry.bytes - offset, Status::kInternal,
          "{}: tensor {}: reads {} bytes at {}, the tensor has {}", file(entry.file).path(),
          Quote(entry.name), out.size(), offset, entry.bytes);
  files_[entry.file].ReadAt(entry.offset + offset, out);
}

}  // namespace inference
