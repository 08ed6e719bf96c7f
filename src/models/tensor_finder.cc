#include "models/tensor_finder.h"

#include <algorithm>
#include <utility>

#include "util/error.h"

namespace inference {

TensorFinder::TensorFinder(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {
  if (checkpoint.format != CheckpointFormat::kSafetensors) return;
  quantization_ =
      Quantization::Read(JsonFields(checkpoint.config, checkpoint.path + "/config.json"));
}

std::string TensorFinder::Where(const TensorEntry& entry) const {
  return fmt::format("{}: tensor {}", checkpoint_->tensors.file(entry.file).path(), entry.name);
}

const TensorEntry& TensorFinder::Find(const std::string& name, const std::string& expected) {
  const TensorEntry* entry = checkpoint_->tensors.Find(name);
  const std::string packed = name.substr(0, name.rfind('.')) + ".qweight";
  Require(
      entry != nullptr || !Has(packed), Status::kUnsupported,
      "{}: tensor {}: is there instead of {}: quantised by GPTQ or AWQ, expected MLX's format or "
      "plain weights",
      checkpoint_->path, packed, name);
  Require(entry != nullptr, Status::kFormat, "{}: tensor {}: is missing, expected {}",
          checkpoint_->path, name, expected);
  asked_for_.insert(name);
  return *entry;
}

const TensorEntry& TensorFinder::Get(const std::string& name, const std::vector<int64_t>& shape) {
  const TensorEntry& entry = Find(name, fmt::format("shape [{}]", fmt::join(shape, ", ")));
  Require(std::ranges::equal(entry.shape, shape,
                             [](uint64_t is, int64_t want) { return std::cmp_equal(is, want); }),
          Status::kFormat, "{}: shape is [{}], expected [{}]", Where(entry),
          fmt::join(entry.shape, ", "), fmt::join(shape, ", "));
  return entry;
}

StoredTensor TensorFinder::GetMatrix(const std::string& name, int64_t rows, int64_t columns) {
  const TensorEntry& found = Find(name, fmt::format("shape [{}, {}]", rows, columns));
  if (found.dtype == DType::kU32) return GetQuantized(found, rows, columns);
  const TensorEntry& entry = Get(name, {rows, columns});
  Require(IsPackable(entry.dtype), Status::kUnsupported,
          "{}: type is {}, expected F32, F16, BF16 or a block type", Where(entry),
          InfoOf(entry.dtype).name);
  return {entry.dtype, &entry};
}

StoredTensor TensorFinder::GetQuantized(const TensorEntry& words, int64_t rows, int64_t columns) {
  const std::string module = words.name.substr(0, words.name.rfind('.'));
  const std::optional<QuantScheme>& scheme = quantization_.SchemeOf(module);
  Require(scheme.has_value(), Status::kFormat,
          "{}: type is U32, but {}/config.json has no quantization for it", Where(words),
          checkpoint_->path);
  const std::string of = fmt::format("for {} columns of {} bits in groups of {}", columns,
                                     scheme->bits, scheme->group);
  Require(columns % scheme->group == 0, Status::kFormat, "{}: expected whole groups {}",
          Where(words), of);
  const auto get = [&](const std::string& name, int64_t width) -> const TensorEntry& {
    const TensorEntry& entry = Find(name, fmt::format("shape [{}, {}] {}", rows, width, of));
    Require(entry.shape.size() == 2 && std::cmp_equal(entry.shape[0], rows) &&
                std::cmp_equal(entry.shape[1], width),
            Status::kFormat, "{}: shape is [{}], expected [{}, {}] {}", Where(entry),
            fmt::join(entry.shape, ", "), rows, width, of);
    return entry;
  };
  get(words.name, columns * scheme->bits / 32);
  const TensorEntry& scales = get(module + ".scales", columns / scheme->group);
  if (scheme->mode == QuantMode::kMxfp4) {
    Require(scales.dtype == DType::kU8, Status::kFormat, "{}: type is {}, expected U8",
            Where(scales), InfoOf(scales.dtype).name);
    return {DType::kMXFP4, &words, &scales};
  }
  const TensorEntry& biases = get(module + ".biases", columns / scheme->group);
  Require(scales.dtype <= DType::kBF16, Status::kFormat,
          "{}: type is {}, expected F32, F16 or BF16", Where(scales), InfoOf(scales.dtype).name);
  Require(biases.dtype == scales.dtype, Status::kFormat, "{}: type is {}, expected {} as {} has",
          Where(biases), InfoOf(biases.dtype).name, InfoOf(scales.dtype).name, scales.name);
  return {WeightFormat::Affine(scheme->bits, scheme->group, scales.dtype), &words, &scales,
          &biases};
}

void TensorFinder::RefuseUnusedBiases(const std::string& prefix) const {
  for (const TensorEntry& entry : checkpoint_->tensors.entries()) {
    Require(!entry.name.starts_with(prefix) || !entry.name.ends_with(".bias") ||
                asked_for_.contains(entry.name),
            Status::kUnsupported, "{}: this architecture has no such bias", Where(entry));
  }
}

}  // namespace inference
