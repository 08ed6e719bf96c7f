#include "models/quantize.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/finite.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "models/affine_quantize.h"
#include "models/checkpoint.h"
#include "models/quantization.h"
#include "models/side_files.h"
#include "util/error.h"
#include "util/file.h"
#include "util/float16.h"
#include "util/new_folder.h"
#include "util/parallel.h"

namespace inference {

namespace {

constexpr uint64_t kMaxShardBytes = uint64_t{5} << 30;
constexpr uint64_t kChunkBytes = 4 << 20;  // of source, that a thread works on at once

// A tensor of the result: where its bytes go.
struct Target {
  SafetensorsWriter::Tensor tensor;
  size_t shard = 0, index = 0;  // of the shards, and in its shard
};

// A tensor of the source, and what becomes of it.
struct Piece {
  const TensorEntry* source;
  DType dtype;     // of its values, or of its scales
  bool quantized;  // to three targets: words, scales, biases
  size_t target;   // the first of them
};

// What mlx_lm casts weights to: nothing = what they are.
std::optional<DType> CastOf(const JsonFields& config) {
  std::optional<std::string> name = config.FindString("torch_dtype");
  if (!name) {
    if (const auto text = config.FindObject("text_config")) name = text->FindString("dtype");
  }
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name == "bfloat16") return DType::kBF16;
  return std::nullopt;
}

bool IsLeftOut(std::string_view name, bool tied) {
  const auto in = [&](std::string_view part) { return name.find(part) != name.npos; };
  return in("vision_tower.") || in("vision_model.") || in("multi_modal_projector.") ||
         in("rotary_emb.inv_freq") || (tied && name.ends_with("lm_head.weight"));
}

class Quantizer {
 public:
  Quantizer(const std::string& path, const QuantizeOptions& options);
  void WriteTo(const std::string& out);

 private:
  void Plan();
  void PlanTensor(const TensorEntry& entry);
  void AddTarget(std::string name, DType dtype, std::vector<uint64_t> shape);
  void AssignShards();
  std::string ShardName(size_t shard) const;
  void OpenShards(const std::string& out);
  void WritePiece(const Piece& piece) const;
  void WriteRows(const Piece& piece, uint64_t first, uint64_t count) const;
  void Put(size_t target, uint64_t offset, std::span<const std::byte> bytes) const;
  // NUMERIC names the first of `values` that is not; `first` is its number where it is the first.
  void RequireFinite(const Piece& piece, DType dtype, std::span<const std::byte> values,
                     std::string_view what, uint64_t first, std::string_view why = {}) const;
  std::vector<std::byte> ReadValues(const Piece& piece, uint64_t at, uint64_t size) const;
  void WriteIndex(const std::string& out) const;
  void WriteConfig(const std::string& out) const;

  Folder folder_;
  QuantizeOptions options_;
  Json config_;
  TensorSet tensors_;
  std::optional<DType> cast_;
  std::vector<Piece> pieces_;
  std::vector<Target> targets_;
  std::unordered_set<std::string> names_;  // of the targets
  size_t shard_count_ = 0;
  uint64_t parameters_ = 0;
  std::vector<SafetensorsWriter> shards_;
};

Quantizer::Quantizer(const std::string& path, const QuantizeOptions& options)
    : folder_(path, options.allow_symlinks), options_(options) {
  Require(IsDirectory(path), Status::kNotFound, "{}: is not a folder", path);
  config_ = ReadModelConfig(folder_);
  const JsonFields config(config_, path + "/config.json");
  Require(!Quantization::Read(config).scheme(), Status::kUnsupported,
          "{}: quantization: is present, expected weights that are not quantised", config.name());
  cast_ = CastOf(config);
  tensors_ = OpenSafetensorsFolder(folder_);
  Plan();
}

void Quantizer::Plan() {
  const auto tied = config_.find("tie_word_embeddings");
  const bool is_tied = tied != config_.end() && *tied == true;
  for (const TensorEntry& entry : tensors_.entries()) {
    if (!IsLeftOut(entry.name, is_tied)) PlanTensor(entry);
  }
  Require(!targets_.empty(), Status::kFormat, "{}: has no weights of a text model", folder_.path);
  AssignShards();
}

void Quantizer::PlanTensor(const TensorEntry& entry) {
  const bool is_float = IsHalfOrFloat(entry.dtype);
  Piece piece{&entry, is_float ? cast_.value_or(entry.dtype) : entry.dtype, false, targets_.size()};
  const auto group = static_cast<uint64_t>(options_.group);
  piece.quantized = is_float && entry.shape.size() == 2 && entry.name.ends_with(".weight") &&
                    entry.shape[1] % group == 0 && entry.bytes > 0;
  uint64_t values = 1;
  for (const uint64_t dim : entry.shape) values *= dim;
  parameters_ += values;
  if (piece.quantized) {
    const uint64_t rows = entry.shape[0], columns = entry.shape[1];
    const std::string module = entry.name.substr(0, entry.name.rfind('.'));
    AddTarget(entry.name, DType::kU32, {rows, columns * static_cast<uint64_t>(options_.bits) / 32});
    AddTarget(module + ".scales", piece.dtype, {rows, columns / group});
    AddTarget(module + ".biases", piece.dtype, {rows, columns / group});
  } else {
    AddTarget(entry.name, piece.dtype, entry.shape);
  }
  pieces_.push_back(piece);
}

void Quantizer::AddTarget(std::string name, DType dtype, std::vector<uint64_t> shape) {
  Require(names_.insert(name).second, Status::kFormat,
          "{}: tensor {}: is in the way of a scale of that name", folder_.path, Quote(name));
  targets_.push_back({{std::move(name), dtype, std::move(shape)}});
}

// As many tensors a shard as fit; one that is larger has a shard of its own.
void Quantizer::AssignShards() {
  uint64_t bytes = 0;
  size_t index = 0;
  for (Target& target : targets_) {
    const uint64_t more = target.tensor.bytes();
    if (shard_count_ == 0 || bytes + more > kMaxShardBytes) {
      ++shard_count_;
      bytes = index = 0;
    }
    target.shard = shard_count_ - 1;
    target.index = index++;
    bytes += more;
  }
}

std::string Quantizer::ShardName(size_t shard) const {
  if (shard_count_ == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shard_count_);
}

void Quantizer::OpenShards(const std::string& out) {
  for (size_t shard = 0; shard < shard_count_; ++shard) {
    std::vector<SafetensorsWriter::Tensor> tensors;
    for (const Target& target : targets_) {
      if (target.shard == shard) tensors.push_back(target.tensor);
    }
    shards_.emplace_back(out + "/" + ShardName(shard), std::move(tensors),
                         std::map<std::string, std::string>{{"format", "mlx"}});
  }
}

void Quantizer::Put(size_t target, uint64_t offset, std::span<const std::byte> bytes) const {
  shards_[targets_[target].shard].Write(targets_[target].index, offset, bytes);
}

void Quantizer::RequireFinite(const Piece& piece, DType dtype, std::span<const std::byte> values,
                              std::string_view what, uint64_t first, std::string_view why) const {
  const std::optional<size_t> bad = FindNotFinite(dtype, values);
  if (!bad) return;
  const TensorEntry& entry = *piece.source;
  Fail(Status::kNumeric, "{}: tensor {}: {} {} is not a finite number{}",
       tensors_.file(entry.file).path(), Quote(entry.name), what, first + *bad, why);
}

// Bytes [at, at + size) of the source, in the type of the result.
std::vector<std::byte> Quantizer::ReadValues(const Piece& piece, uint64_t at, uint64_t size) const {
  const TensorEntry& entry = *piece.source;
  const uint64_t value_bytes = InfoOf(entry.dtype).block_bytes, first = at / value_bytes;
  std::vector<std::byte> bytes(size);
  tensors_.Read(entry, at, bytes);
  RequireFinite(piece, entry.dtype, bytes, "value", first);
  if (piece.dtype == entry.dtype) return bytes;
  const DTypeInfo& to = InfoOf(piece.dtype);
  std::vector<float> values(size / value_bytes);
  ToFloats(entry.dtype, bytes, values);
  bytes.resize(values.size() * to.block_bytes);
  FromFloats(values, piece.dtype, bytes);
  RequireFinite(piece, piece.dtype, bytes, "value", first,
                fmt::format(" as {}, the type that config.json tells", to.name));
  return bytes;
}

void Quantizer::WriteRows(const Piece& piece, uint64_t first, uint64_t count) const {
  const auto format = WeightFormat::Affine(options_.bits, options_.group, piece.dtype);
  const uint64_t columns = piece.source->shape[1];
  const uint64_t row_bytes = piece.source->bytes / piece.source->shape[0];
  std::vector<float> values(count * columns);
  ToFloats(piece.dtype, ReadValues(piece, first * row_bytes, count * row_bytes), values);
  const uint64_t word_bytes = columns * format.bits / 8;
  const uint64_t scale_bytes = columns / format.group * InfoOf(format.scales).block_bytes;
  std::vector<std::byte> words(count * word_bytes), scales(count * scale_bytes),
      biases(count * scale_bytes);
  for (uint64_t r = 0; r < count; ++r) {
    QuantizeRow(format, std::span(values).subspan(r * columns, columns),
                std::span(words).subspan(r * word_bytes, word_bytes),
                std::span(scales).subspan(r * scale_bytes, scale_bytes),
                std::span(biases).subspan(r * scale_bytes, scale_bytes));
  }
  // Of values that are, too: two of them may be further apart than the type reaches.
  const uint64_t first_group = first * (columns / format.group);
  RequireFinite(piece, format.scales, scales, "scale", first_group);
  RequireFinite(piece, format.scales, biases, "bias", first_group);
  Put(piece.target, first * word_bytes, words);
  Put(piece.target + 1, first * scale_bytes, scales);
  Put(piece.target + 2, first * scale_bytes, biases);
}

void Quantizer::WritePiece(const Piece& piece) const {
  const TensorEntry& entry = *piece.source;
  if (piece.quantized) {
    const uint64_t rows = entry.shape[0];
    const uint64_t at_once = std::max<uint64_t>(1, kChunkBytes / (entry.bytes / rows));
    ParallelFor(static_cast<int64_t>((rows + at_once - 1) / at_once), [&](int64_t i, auto&) {
      ThrowIfCancelled(options_.cancel, "quantize");
      const uint64_t first = static_cast<uint64_t>(i) * at_once;
      WriteRows(piece, first, std::min(at_once, rows - first));
    });
    return;
  }
  const uint64_t from_bytes = InfoOf(entry.dtype).block_bytes;
  const uint64_t to_bytes = InfoOf(piece.dtype).block_bytes;
  for (uint64_t at = 0; at < entry.bytes; at += kChunkBytes) {
    ThrowIfCancelled(options_.cancel, "quantize");
    const uint64_t size = std::min(kChunkBytes, entry.bytes - at);
    Put(piece.target, at / from_bytes * to_bytes, ReadValues(piece, at, size));
  }
}

void WriteJson(const std::string& path, const Json& json) {
  const std::string text = json.dump(4);
  WriteFileAtomically(path, std::as_bytes(std::span(text)));
}

void Quantizer::WriteIndex(const std::string& out) const {
  uint64_t bytes = 0;
  Json map = Json::object();
  for (const Target& target : targets_) {
    bytes += target.tensor.bytes();
    map[target.tensor.name] = ShardName(target.shard);
  }
  WriteJson(out + "/model.safetensors.index.json",
            {{"metadata", {{"total_size", bytes}, {"total_parameters", parameters_}}},
             {"weight_map", std::move(map)}});
}

void Quantizer::WriteConfig(const std::string& out) const {
  Json config = config_;
  config.erase("_name_or_path");
  config.erase("vision_config");
  const Json block = {{"group_size", options_.group}, {"bits", options_.bits}, {"mode", "affine"}};
  config["quantization"] = block;
  config["quantization_config"] = block;  // what the Hugging Face hub looks for
  WriteJson(out + "/config.json", config);
}

void Quantizer::WriteTo(const std::string& out) {
  NewFolder folder(out);
  OpenShards(folder.path());
  uint64_t done = 0;
  for (const Piece& piece : pieces_) {
    ThrowIfCancelled(options_.cancel, "quantize");
    WritePiece(piece);
    done += piece.source->bytes;
    if (options_.progress) options_.progress(done, tensors_.total_bytes());
  }
  for (SafetensorsWriter& shard : shards_) shard.Finish();
  WriteIndex(folder.path());
  CopySideFiles(folder_, folder.path());
  WriteConfig(folder.path());
  if (options_.progress) options_.progress(tensors_.total_bytes(), tensors_.total_bytes());
  folder.Commit();
}

}  // namespace

void QuantizeFolder(const std::string& path, const std::string& out,
                    const QuantizeOptions& options) {
  const auto check = [](const char* name, int value, std::initializer_list<int> known) {
    Require(std::ranges::find(known, value) != known.end(), Status::kArg, "{}: is {}, expected {}",
            name, value, fmt::join(known, ", "));
  };
  check("bits", options.bits, {2, 3, 4, 5, 6, 8});
  check("group", options.group, {32, 64, 128});
  Quantizer(path, options).WriteTo(out);
}

}  // namespace inference
