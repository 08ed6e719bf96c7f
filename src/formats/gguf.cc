#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/file_reader.h"
#include "formats/gguf_file.h"
#include "formats/gguf_types.h"
#include "formats/gguf_values.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr uint32_t kMagic = 0x46554747;        // "GGUF"
constexpr uint64_t kMaxHeadBytes = 256 << 20;  // of everything before the tensors' data
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;  // length, one byte, type, the smallest value
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // with one byte of name, one dimension
constexpr size_t kMaxKeyLength = 65535;
constexpr size_t kMaxNameLength = 63;
constexpr uint32_t kMaxDims = 4;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr int64_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = 1 << 20;

struct Counts {
  uint64_t tensors;
  uint64_t keys;
};

void CheckCount(const FileReader& in, const char* what, uint64_t count, uint64_t min_bytes,
                uint64_t max) {
  Require(count <= in.remaining() / min_bytes, Status::kLimit,
          "{}: {}: {} entries need at least {} bytes each, the file has {} bytes left", in.path(),
          what, count, min_bytes, in.remaining());
  Require(count <= max, Status::kLimit, "{}: {}: is {}, expected at most {}", in.path(), what,
          count, max);
}

Counts ReadHeader(FileReader& in) {
  const auto magic = in.Read<uint32_t>("magic");
  Require(magic == kMagic, Status::kFormat, "{}: magic: is 0x{:08x}, expected 0x{:08x} (GGUF)",
          in.path(), magic, kMagic);
  const auto version = in.Read<uint32_t>("version");
  Require(version == 2 || version == 3, Status::kFormat,
          "{}: version: is {}, expected 2 or 3, little-endian", in.path(), version);
  Counts counts;
  counts.tensors = in.Read<uint64_t>("n_tensors");
  counts.keys = in.Read<uint64_t>("n_kv");
  CheckCount(in, "n_tensors", counts.tensors, kMinTensorBytes, TensorSet::kMaxTensors);
  CheckCount(in, "n_kv", counts.keys, kMinKeyBytes, kMaxKeys);
  return counts;
}

bool IsCleanText(std::string_view text) {
  return text.find('\0') == std::string_view::npos && IsValidUtf8(text);
}

GgufMetadata ReadMetadata(FileReader& in, uint64_t keys) {
  GgufMetadata metadata(in.path());
  uint64_t elements_left = kMaxGgufArrayElements;
  for (uint64_t i = 0; i < keys; ++i) {
    std::string key = in.ReadString("a key");
    Require(!key.empty() && key.size() <= kMaxKeyLength && IsCleanText(key), Status::kFormat,
            "{}: key #{}: is {}, expected 1..{} bytes of UTF-8 without NUL", in.path(), i,
            Quote(key), kMaxKeyLength);
    const std::string what = "key " + Quote(key);
    const auto type = static_cast<GgufType>(in.Read<uint32_t>(what));
    Require(key != kAlignmentKey || type == GgufType::kU32, Status::kFormat,
            "{}: {}: has value type {}, expected {} (u32)", in.path(), what,
            static_cast<uint32_t>(type), static_cast<uint32_t>(GgufType::kU32));
    metadata.Set(std::move(key), ReadGgufValue(in, type, what, &elements_left));
  }
  return metadata;
}

uint64_t AlignmentOf(const GgufMetadata& metadata) {
  const int64_t alignment =
      metadata.FindInt(kAlignmentKey, 0, INT64_MAX).value_or(kDefaultAlignment);
  Require(std::has_single_bit(static_cast<uint64_t>(alignment)) && alignment <= kMaxAlignment,
          Status::kFormat, "{}: key '{}': is {}, expected a power of two <= {}", metadata.path(),
          kAlignmentKey, alignment, kMaxAlignment);
  return static_cast<uint64_t>(alignment);
}

DType ReadDType(FileReader& in, std::string_view what) {
  const auto number = in.Read<uint32_t>(what);
  const auto* type = std::ranges::find(kGgmlTypes, number, &GgmlType::number);
  Require(type != std::end(kGgmlTypes), Status::kFormat, "{}: {}: type {} is unknown", in.path(),
          what, number);
  Require(type->dtype.has_value(), Status::kUnsupported, "{}: {}: type {} ({}) is not supported",
          in.path(), what, type->name, number);
  return *type->dtype;
}

// The entry's offset is still the one in the file: from the start of the data.
TensorEntry ReadTensorInfo(FileReader& in, uint64_t index, uint64_t alignment) {
  TensorEntry entry{};
  entry.name = in.ReadString("a tensor name");
  Require(!entry.name.empty() && entry.name.size() <= kMaxNameLength && IsCleanText(entry.name),
          Status::kFormat, "{}: tensor #{}: name is {}, expected 1..{} bytes of UTF-8 without NUL",
          in.path(), index, Quote(entry.name), kMaxNameLength);
  const std::string what = "tensor " + Quote(entry.name);
  const auto dims = in.Read<uint32_t>(what);
  Require(dims >= 1 && dims <= kMaxDims, Status::kFormat,
          "{}: {}: has {} dimensions, expected 1..{}", in.path(), what, dims, kMaxDims);
  for (uint32_t d = 0; d < dims; ++d) {
    const auto dim = in.Read<int64_t>(what);
    Require(dim >= 1, Status::kFormat, "{}: {}: dimension {} is {}, expected at least 1", in.path(),
            what, d, dim);
    entry.shape.push_back(static_cast<uint64_t>(dim));
  }
  std::ranges::reverse(entry.shape);
  entry.dtype = ReadDType(in, what);
  entry.bytes = TensorBytes(in.file(), entry.name, entry.dtype, entry.shape);
  entry.offset = in.Read<uint64_t>(what);
  Require(entry.offset % alignment == 0, Status::kFormat,
          "{}: {}: offset {} is not a multiple of the alignment {}", in.path(), what, entry.offset,
          alignment);
  return entry;
}

// Adds the tensors to `set`, with offsets from the start of their file.
void AddTensors(std::vector<TensorEntry> entries, uint64_t data_start, uint32_t index,
                TensorSet* set) {
  const File& file = set->file(index);
  const uint64_t data_bytes = file.size() - std::min(data_start, file.size());
  for (TensorEntry& entry : entries) {
    Require(entry.offset <= data_bytes && entry.bytes <= data_bytes - entry.offset, Status::kFormat,
            "{}: tensor {}: {} bytes at offset {} run past the end, the file has {} data bytes",
            file.path(), Quote(entry.name), entry.bytes, entry.offset, data_bytes);
    entry.offset += data_start;
    entry.file = index;
    set->Add(std::move(entry));
  }
}

void CheckNoOverlap(const File& file, std::span<const TensorEntry> entries) {
  std::vector<const TensorEntry*> order;
  order.reserve(entries.size());
  for (const TensorEntry& entry : entries) order.push_back(&entry);
  std::ranges::sort(order, {}, &TensorEntry::offset);
  for (size_t i = 1; i < order.size(); ++i) {
    const TensorEntry& before = *order[i - 1];
    Require(before.offset + before.bytes <= order[i]->offset, Status::kFormat,
            "{}: tensor {}: begins at byte {}, which tensor {} still fills up to byte {}",
            file.path(), Quote(order[i]->name), order[i]->offset, Quote(before.name),
            before.offset + before.bytes);
  }
}

}  // namespace

GgufMetadata AddGgufFile(File opened, TensorSet* set) {
  const size_t first = set->entries().size();
  const uint32_t index = set->AddFile(std::move(opened));
  FileReader in(set->file(index), kMaxHeadBytes);
  const Counts counts = ReadHeader(in);
  GgufMetadata metadata = ReadMetadata(in, counts.keys);
  const uint64_t alignment = AlignmentOf(metadata);
  CheckCount(in, "n_tensors", counts.tensors, kMinTensorBytes, TensorSet::kMaxTensors);
  std::vector<TensorEntry> entries;
  entries.reserve(counts.tensors);
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    entries.push_back(ReadTensorInfo(in, i, alignment));
  }
  const uint64_t data_start = (in.position() + alignment - 1) / alignment * alignment;
  AddTensors(std::move(entries), data_start, index, set);
  CheckNoOverlap(set->file(index), std::span(set->entries()).subspan(first));
  return metadata;
}

Gguf OpenGgufFile(const std::string& path) {
  Gguf gguf;
  gguf.metadata = AddGgufFile(File::Open(path), &gguf.tensors);
  return gguf;
}

}  // namespace inference
