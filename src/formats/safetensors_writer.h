// Writes a safetensors file whose tensors are all known beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "util/dtype.h"

namespace inference {

class SafetensorsWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype;  // a plain one
    std::vector<uint64_t> shape;

    uint64_t bytes() const;  // FORMAT where that overflows
  };

  // Creates `path`, which must not exist, with its header. No two tensors have the same name. IO.
  SafetensorsWriter(const std::string& path, std::vector<Tensor> tensors,
                    const std::map<std::string, std::string>& metadata);
  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  ~SafetensorsWriter();

  // Bytes [offset, offset + data.size()) of tensor `index`. In any order, from any thread. IO.
  void Write(size_t index, uint64_t offset, std::span<const std::byte> data) const;
  // After everything is written: to the disk.
  void Finish();

 private:
  explicit SafetensorsWriter(std::string path) : path_(std::move(path)) {}
  void WriteAt(uint64_t offset, std::span<const std::byte> data) const;

  std::string path_;
  int fd_ = -1;
  std::vector<uint64_t> begins_;  // of the tensors, in the file; and the end
};

}  // namespace inference
