#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/json_scan.h"
#include "formats/safetensors_file.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kMaxRank = 8;
constexpr size_t kMaxMetadataEntries = 1 << 16;

struct NamedDType {
  std::string_view name;
  DType dtype;
};

constexpr NamedDType kDTypes[] = {
    {"F64", DType::kF64},   {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16},
    {"I64", DType::kI64},   {"I32", DType::kI32}, {"I16", DType::kI16}, {"I8", DType::kI8},
    {"U64", DType::kU64},   {"U32", DType::kU32}, {"U16", DType::kU16}, {"U8", DType::kU8},
    {"BOOL", DType::kBool},
};
constexpr std::string_view kUnusedDTypes[] = {
    "F4",      "F6_E2M3",     "F6_E3M2",     "F8_E4M3", "F8_E5M2",
    "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64",
};

// Reads the header straight into a TensorSet: memory grows with tensors only, not with what a
// hostile header may hold besides.
class HeaderReader final : public JsonScan {
 public:
  HeaderReader(std::string_view text, std::string_view name, TensorSet* set, uint32_t file,
               uint64_t data_start)
      : JsonScan(text, name), set_(set), file_(file), data_start_(data_start) {}

 private:
  enum class At { kStart, kTensors, kInfo, kMetadata, kShape, kOffsets };
  enum Field { kDType = 1, kShapeField = 2, kOffsetsField = 4 };

  bool null() override {  // MLX writes "__metadata__": null
    if (at_ != At::kTensors || tensor_ != "__metadata__") Unexpected("null");
    return true;
  }
  bool boolean(bool) override { Unexpected("a boolean"); }
  bool number_integer(int64_t value) override { Unexpected(fmt::to_string(value)); }
  bool number_float(double, const std::string& text) override { Unexpected(Quote(text)); }

  bool number_unsigned(uint64_t value) override {
    const bool is_shape = at_ == At::kShape;
    if (!is_shape && at_ != At::kOffsets) Unexpected(fmt::to_string(value));
    std::vector<uint64_t>& list = is_shape ? shape_ : offsets_;
    list.push_back(value);
    if (list.size() > (is_shape ? kMaxRank : 2)) {
      FailTensor(is_shape ? fmt::format("shape has more than {} dimensions", kMaxRank)
                          : std::string("data_offsets has more than 2 numbers"));
    }
    return true;
  }

  bool string(std::string& value) override {
    if (at_ == At::kMetadata) return true;
    if (at_ != At::kInfo || field_ != kDType) Unexpected(Quote(value));
    const auto* found = std::ranges::find(kDTypes, value, &NamedDType::name);
    if (found == std::end(kDTypes)) {
      const bool known = std::ranges::find(kUnusedDTypes, value) != std::end(kUnusedDTypes);
      FailTensor(fmt::format("dtype {} is {}", Quote(value), known ? "not supported" : "unknown"),
                 known ? Status::kUnsupported : Status::kFormat);
    }
    dtype_ = found->dtype;
    return true;
  }

  bool start_object(size_t) override {
    if (at_ == At::kStart) {
      at_ = At::kTensors;
    } else if (at_ == At::kTensors) {
      at_ = tensor_ == "__metadata__" ? At::kMetadata : At::kInfo;
      seen_ = 0;
      shape_.clear();
      offsets_.clear();
    } else {
      Unexpected("an object");
    }
    return true;
  }

  bool start_array(size_t) override {
    if (at_ != At::kInfo || field_ == kDType) Unexpected("an array");
    at_ = field_ == kShapeField ? At::kShape : At::kOffsets;
    return true;
  }

  bool end_array() override {
    at_ = At::kInfo;
    return true;
  }

  bool end_object() override {
    if (at_ == At::kInfo) AddTensor();
    at_ = At::kTensors;
    return true;
  }

  bool key(std::string& key) override {
    bool is_new = true;
    if (at_ == At::kTensors) {
      const TensorEntry* other = set_->Find(key);
      is_new = other == nullptr || other->file != file_;
      if (key == "__metadata__") is_new = !std::exchange(has_metadata_, true);
      tensor_ = key;
      if (key.find('\0') != std::string::npos) FailTensor("name holds a NUL");
    } else if (at_ == At::kMetadata) {
      std::tie(metadata_key_, is_new) = metadata_keys_.insert(key);
      if (metadata_keys_.size() > kMaxMetadataEntries) {
        FailHere(Status::kLimit,
                 fmt::format("__metadata__ has more than {} entries", kMaxMetadataEntries));
      }
    } else {
      field_ = key == "dtype"          ? kDType
               : key == "shape"        ? kShapeField
               : key == "data_offsets" ? kOffsetsField
                                       : Field{};
      if (field_ == Field{}) {
        FailTensor("unknown field " + Quote(key) + ", expected dtype, shape, data_offsets");
      }
      is_new = (seen_ & field_) == 0;
      seen_ |= field_;
    }
    if (!is_new) FailHere(Status::kFormat, "duplicate key " + Quote(key));
    return true;
  }

  static std::string_view FieldName(Field field) {
    return field == kDType ? "dtype" : field == kShapeField ? "shape" : "data_offsets";
  }

  void AddTensor() {
    for (const Field field : {kDType, kShapeField, kOffsetsField}) {
      if ((seen_ & field) == 0) FailTensor(fmt::format("{} is missing", FieldName(field)));
    }
    if (offsets_.size() != 2) {
      FailTensor(fmt::format("data_offsets has {} numbers, expected 2", offsets_.size()));
    }
    const File& file = set_->file(file_);
    const uint64_t begin = offsets_[0], end = offsets_[1], data = file.size() - data_start_;
    if (begin > end || end > data) {
      FailTensor(
          fmt::format("data_offsets [{}, {}] do not lie in the {} data bytes", begin, end, data));
    }
    const uint64_t bytes = TensorBytes(file, tensor_, dtype_, shape_);
    if (bytes != end - begin) {
      FailTensor(fmt::format("data_offsets [{}, {}] hold {} bytes, {} [{}] needs {}", begin, end,
                             end - begin, InfoOf(dtype_).name, fmt::join(shape_, ", "), bytes));
    }
    set_->Add({std::move(tensor_), dtype_, shape_, data_start_ + begin, bytes, file_});
  }

  [[noreturn]] void FailTensor(std::string_view what, Status status = Status::kFormat) const {
    FailHere(status, fmt::format("tensor {}: {}", Quote(tensor_), what));
  }

  [[noreturn]] void Unexpected(std::string_view found) const {
    std::string_view wanted = "an object";
    if (at_ == At::kShape || at_ == At::kOffsets) wanted = "plain integers";
    if (at_ == At::kMetadata || (at_ == At::kInfo && field_ == kDType)) wanted = "a string";
    if (at_ == At::kInfo && field_ != kDType) wanted = "an array";
    const std::string what = fmt::format("is {}, expected {}", found, wanted);
    if (at_ == At::kStart) FailHere(Status::kFormat, what);
    if (at_ == At::kTensors) FailTensor(what);
    if (at_ == At::kMetadata) FailTensor(fmt::format("{} {}", Quote(*metadata_key_), what));
    FailTensor(fmt::format("{} {}", FieldName(field_), what));
  }

  TensorSet* set_;
  uint32_t file_;
  uint64_t data_start_;
  At at_ = At::kStart;
  bool has_metadata_ = false;
  std::unordered_set<std::string> metadata_keys_;
  std::unordered_set<std::string>::iterator metadata_key_;  // the last
  std::string tensor_;                                      // the one being read, and its fields
  Field field_{};
  int seen_ = 0;
  DType dtype_{};
  std::vector<uint64_t> shape_, offsets_;
};

}  // namespace

void ReadSafetensorsHeader(std::string_view header, uint64_t data_start, uint32_t file,
                           TensorSet* set) {
  const std::string name = set->file(file).path() + ": header";
  HeaderReader(header, name, set, file, data_start).Run();
}

}  // namespace inference
