// Writes small GGUF files for tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/byte_writer.h"

namespace inference {

class GgufWriter {
 public:
  // Numbers of the format: of metadata value types and of tensor types.
  enum ValueType : uint32_t {
    kU8,
    kI8,
    kU16,
    kI16,
    kU32,
    kI32,
    kF32,
    kBool,
    kString,
    kArray,
    kU64,
    kI64,
    kF64,
  };
  enum TensorType : uint32_t {
    kTensorF32 = 0,
    kTensorF16 = 1,
    kTensorQ4_0 = 2,
    kTensorQ4_1 = 3,
    kTensorQ5_0 = 6,
    kTensorQ5_1 = 7,
    kTensorQ8_0 = 8,
    kTensorQ2_K = 10,
    kTensorQ3_K = 11,
    kTensorQ4_K = 12,
    kTensorQ5_K = 13,
    kTensorQ6_K = 14,
    kTensorIQ4_NL = 20,
    kTensorIQ4_XS = 23,
    kTensorI8 = 24,
    kTensorI16 = 25,
    kTensorI32 = 26,
    kTensorI64 = 27,
    kTensorF64 = 28,
    kTensorBF16 = 30,
    kTensorMXFP4 = 39,
  };

  explicit GgufWriter(uint32_t version = 3) : version_(version) {}

  template <typename T>
  GgufWriter& Scalar(std::string_view key, ValueType type, T value) {
    Key(key, type).Put(value);
    return *this;
  }
  GgufWriter& U32(std::string_view key, uint32_t value) { return Scalar(key, kU32, value); }
  GgufWriter& U64(std::string_view key, uint64_t value) { return Scalar(key, kU64, value); }
  GgufWriter& I32(std::string_view key, int32_t value) { return Scalar(key, kI32, value); }
  GgufWriter& F32(std::string_view key, float value) { return Scalar(key, kF32, value); }
  GgufWriter& Bool(std::string_view key, bool value) {
    return Scalar(key, kBool, static_cast<uint8_t>(value));
  }
  GgufWriter& String(std::string_view key, std::string_view value) {
    Key(key, kString).String(value);
    return *this;
  }
  GgufWriter& Strings(std::string_view key, const std::vector<std::string>& values) {
    Array(key, kString, values.size());
    for (const std::string& value : values) metadata_.String(value);
    return *this;
  }
  template <typename T>
  GgufWriter& Numbers(std::string_view key, ValueType type, const std::vector<T>& values) {
    Array(key, type, values.size());
    for (const T value : values) metadata_.Put(value);
    return *this;
  }
  GgufWriter& F32s(std::string_view key, const std::vector<float>& values) {
    return Numbers(key, kF32, values);
  }
  GgufWriter& I32s(std::string_view key, const std::vector<int32_t>& values) {
    return Numbers(key, kI32, values);
  }
  GgufWriter& Alignment(uint32_t alignment) {
    alignment_ = alignment;
    return U32("general.alignment", alignment);
  }

  // `shape` is outermost first, as everywhere in the engine; `data` is stored as it is.
  GgufWriter& Tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& shape,
                     std::string_view data) {
    data_.Align(alignment_);
    const uint64_t offset = data_.bytes().size();
    data_.Raw(data);
    return TensorInfo(name, type, shape, offset);
  }
  GgufWriter& TensorF32(std::string_view name, const std::vector<uint64_t>& shape,
                        std::span<const float> values) {
    return Tensor(name, kTensorF32, shape,
                  {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }
  // Only what describes a tensor, whether true or not.
  GgufWriter& TensorInfo(std::string_view name, uint32_t type, const std::vector<uint64_t>& shape,
                         uint64_t offset) {
    infos_.String(name).Put(static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) infos_.Put(shape[i]);
    infos_.Put(type).Put(offset);
    ++tensors_;
    return *this;
  }

  std::string Build() const {
    ByteWriter out;
    out.Raw("GGUF").Put(version_).Put(tensors_).Put(keys_);
    out.Raw(metadata_.bytes()).Raw(infos_.bytes());
    if (!data_.bytes().empty()) out.Align(alignment_).Raw(data_.bytes());
    return out.bytes();
  }

 private:
  ByteWriter& Key(std::string_view key, ValueType type) {
    ++keys_;
    return metadata_.String(key).Put<uint32_t>(type);
  }
  void Array(std::string_view key, ValueType type, uint64_t count) {
    Key(key, kArray).Put<uint32_t>(type).Put(count);
  }

  uint32_t version_;
  uint32_t alignment_ = 32;
  uint64_t keys_ = 0, tensors_ = 0;
  ByteWriter metadata_, infos_, data_;
};

}  // namespace inference
