// The tensors of a checkpoint: names, types, shapes, and where their bytes are. Knows no model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "util/dtype.h"
#include "util/file.h"

namespace inference {

struct TensorEntry {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;  // row-major, outermost first; [] is a scalar
  uint64_t offset;              // of the first byte, in its file
  uint64_t bytes;               // always what dtype and shape need; inside the file
  uint32_t file;                // index of its file
};

// Bytes of a tensor of `file`, which its messages name; FORMAT where the size overflows (a zero
// elsewhere in the shape hides nothing) or rows are not whole blocks.
uint64_t TensorBytes(const File& file, std::string_view name, DType dtype,
                     std::span<const uint64_t> shape);

// Immutable once built; safe to read from several threads.
class TensorSet {
 public:
  static constexpr size_t kMaxTensors = 1 << 18;
  static constexpr size_t kMaxOpenFiles = 48;  // further files are opened for each read

  uint32_t AddFile(File file);  // returns its index
  void Add(TensorEntry entry);  // FORMAT where the name is there already, LIMIT past kMaxTensors

  const TensorEntry* Find(std::string_view name) const;  // nullptr where there is none
  const std::vector<TensorEntry>& entries() const { return entries_; }
  const File& file(uint32_t index) const { return files_[index]; }
  size_t file_count() const { return files_.size(); }
  uint64_t total_bytes() const;  // of all tensors

  // Fills `out` from `offset` bytes into the tensor; offset + out.size() <= entry.bytes.
  void Read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const;

 private:
  std::vector<File> files_;
  std::vector<TensorEntry> entries_;
  std::unordered_map<std::string, size_t> by_name_;
};

}  // namespace inference
