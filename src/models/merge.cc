#include "models/merge.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <vector>

#include "formats/finite.h"
#include "formats/safetensors_writer.h"
#include "models/adapter_file.h"
#include "models/checkpoint.h"
#include "models/describe.h"
#include "models/quantization.h"
#include "models/side_files.h"
#include "util/error.h"
#include "util/float16.h"
#include "util/new_folder.h"
#include "util/parallel.h"

namespace inference {

namespace {

constexpr uint64_t kMaxJsonBytes = 64 << 20;
constexpr uint64_t kChunkBytes = 4 << 20;  // of weights, that a thread works on at once
constexpr const char* kIndexName = "model.safetensors.index.json";

// An adapted layer, and where its rows begin in the tensor that has them.
struct Addition {
  const LoraModule* module;
  uint64_t first_row;
};

// The tensors that may hold a layer, by the ends of their names; Phi-3's hold several.
std::string EndOf(const LoraModule& module, const char* folder, std::string_view name) {
  return fmt::format("layers.{}.{}.{}.weight", module.layer, folder, name);
}

class Merger {
 public:
  Merger(const std::string& path, const std::string& adapter, const MergeOptions& options);
  void WriteTo(const std::string& out) const;

 private:
  const TensorEntry* FindEnd(const std::string& end) const;
  void Plan(const LoraModule& module);
  void WriteFile(uint32_t file, const std::string& out, uint64_t* done) const;
  void WriteTensor(const TensorEntry& entry, const SafetensorsWriter& writer, size_t index) const;
  void AddTo(const TensorEntry& entry, const Addition& addition, uint64_t first_row,
             std::span<float> rows) const;

  const MergeOptions options_;
  const Folder folder_;
  Checkpoint checkpoint_;
  ModelDims dims_;
  AdapterFile adapter_;
  std::map<const TensorEntry*, std::vector<Addition>> additions_;
};

Merger::Merger(const std::string& path, const std::string& adapter, const MergeOptions& options)
    : options_(options), folder_(path, options.allow_symlinks) {
  Require(std::isfinite(options.scale), Status::kArg, "scale: is {}, want a finite number",
          options.scale);
  checkpoint_ = OpenCheckpoint(path, options.allow_symlinks);
  Require(checkpoint_.format == CheckpointFormat::kSafetensors, Status::kUnsupported,
          "{}: is a GGUF file, expected a folder with safetensors", path);
  const JsonFields config(checkpoint_.config, path + "/config.json");
  Require(!Quantization::Read(config).scheme(), Status::kUnsupported,
          "{}: quantization: is present, expected weights that are not quantised", config.name());
  dims_ = DescribeModel(checkpoint_).dims;
  adapter_ = ReadAdapter(adapter, dims_,
                         {.scale = options.adapter_scale,
                          .allow_symlinks = options.allow_symlinks,
                          .cancel = options.cancel});
  for (const LoraModule& module : adapter_.modules) Plan(module);
}

const TensorEntry* Merger::FindEnd(const std::string& end) const {
  for (const TensorEntry& entry : checkpoint_.tensors.entries()) {
    const bool is_vision = entry.name.find("vision") != std::string::npos;
    if (!is_vision && (entry.name == end || entry.name.ends_with("." + end))) return &entry;
  }
  return nullptr;
}

void Merger::Plan(const LoraModule& module) {
  const bool is_mlp = module.target >= LoraTarget::kGate;
  const char* folder = is_mlp ? "mlp" : "self_attn";
  uint64_t first_row = 0;
  const TensorEntry* entry = FindEnd(EndOf(module, folder, NameOf(module.target)));
  if (entry == nullptr) {
    entry = FindEnd(EndOf(module, folder, is_mlp ? "gate_up_proj" : "qkv_proj"));
    const LoraTarget first = is_mlp ? LoraTarget::kGate : LoraTarget::kQ;
    for (LoraTarget t = first; t < module.target;
         t = static_cast<LoraTarget>(static_cast<int>(t) + 1)) {
      first_row += static_cast<uint64_t>(ShapeOf(t, dims_).out);
    }
  }
  const LinearShape shape = ShapeOf(module.target, dims_);
  Require(entry != nullptr && IsHalfOrFloat(entry->dtype) && entry->shape.size() == 2 &&
              first_row + static_cast<uint64_t>(shape.out) <= entry->shape[0] &&
              static_cast<uint64_t>(shape.in) == entry->shape[1],
          Status::kUnsupported, "{}: layer {} has no {} of [{}, {}] numbers to add to",
          checkpoint_.path, module.layer, NameOf(module.target), shape.out, shape.in);
  additions_[entry].push_back({&module, first_row});
}

// rows: those of W from first_row on.
void Merger::AddTo(const TensorEntry& entry, const Addition& addition, uint64_t first_row,
                   std::span<float> rows) const {
  const LoraModule& module = *addition.module;
  const uint64_t in = entry.shape[1], count = rows.size() / in;
  const auto rank = static_cast<uint64_t>(module.rank);
  const uint64_t out = static_cast<uint64_t>(ShapeOf(module.target, dims_).out);
  const double scale = static_cast<double>(options_.scale) * static_cast<double>(module.scale);
  std::vector<double> sums(in);
  for (uint64_t i = 0; i < count; ++i) {
    if (first_row + i < addition.first_row || first_row + i >= addition.first_row + out) continue;
    const uint64_t row = first_row + i - addition.first_row;  // of B
    sums.assign(in, 0.0);
    for (uint64_t r = 0; r < rank; ++r) {
      const auto b = static_cast<double>(module.B[row * rank + r]);
      const float* const a = module.A.data() + r * in;
      for (uint64_t c = 0; c < in; ++c) sums[c] += b * static_cast<double>(a[c]);
    }
    float* const w = rows.data() + i * in;
    for (uint64_t c = 0; c < in; ++c) {
      w[c] = static_cast<float>(static_cast<double>(w[c]) + scale * sums[c]);
    }
  }
}

void Merger::WriteTensor(const TensorEntry& entry, const SafetensorsWriter& writer,
                         size_t index) const {
  const auto found = additions_.find(&entry);
  const uint64_t row_bytes = found == additions_.end() ? 1 : entry.bytes / entry.shape[0];
  const uint64_t size = std::max<uint64_t>(1, kChunkBytes / row_bytes) * row_bytes;
  ParallelFor(static_cast<int64_t>((entry.bytes + size - 1) / size), [&](int64_t i, auto& bytes) {
    ThrowIfCancelled(options_.cancel, "merge");
    const uint64_t at = static_cast<uint64_t>(i) * size;
    bytes.resize(std::min(size, entry.bytes - at));
    checkpoint_.tensors.Read(entry, at, bytes);
    if (found != additions_.end()) {
      std::vector<float> rows(bytes.size() / InfoOf(entry.dtype).block_bytes);
      ToFloats(entry.dtype, bytes, rows);
      for (const Addition& addition : found->second) AddTo(entry, addition, at / row_bytes, rows);
      FromFloats(rows, entry.dtype, bytes);
      const std::optional<size_t> bad = FindNotFinite(entry.dtype, bytes);
      Require(!bad, Status::kNumeric, "{}: tensor {}: value {} with the adapter is not finite",
              checkpoint_.path, Quote(entry.name),
              at / InfoOf(entry.dtype).block_bytes + bad.value_or(0));
    }
    writer.Write(index, at, bytes);
  });
}

void Merger::WriteFile(uint32_t file, const std::string& out, uint64_t* done) const {
  const TensorSet& set = checkpoint_.tensors;
  std::vector<SafetensorsWriter::Tensor> tensors;
  std::vector<const TensorEntry*> entries;
  for (const TensorEntry& entry : set.entries()) {
    if (entry.file != file) continue;
    tensors.push_back({entry.name, entry.dtype, entry.shape});
    entries.push_back(&entry);
  }
  const std::string name = std::filesystem::path(set.file(file).path()).filename().string();
  SafetensorsWriter writer(out + "/" + name, std::move(tensors), {{"format", "pt"}});
  for (size_t i = 0; i < entries.size(); ++i) {
    WriteTensor(*entries[i], writer, i);
    *done += entries[i]->bytes;
    if (options_.progress) options_.progress(*done, set.total_bytes());
  }
  writer.Finish();
}

void Merger::WriteTo(const std::string& out) const {
  NewFolder folder(out);
  uint64_t done = 0;
  for (uint32_t file = 0; file < checkpoint_.tensors.file_count(); ++file) {
    WriteFile(file, folder.path(), &done);
  }
  CopySideFiles(folder_, folder.path());
  for (const char* name : {"config.json", kIndexName}) {
    if (!folder_.Has(name)) continue;
    const std::string text = ReadTextFile(File::OpenIn(folder_, name), kMaxJsonBytes);
    WriteFileAtomically(folder.path() + "/" + name, std::as_bytes(std::span(text)));
  }
  folder.Commit();
}

}  // namespace

void MergeAdapter(const std::string& path, const std::string& adapter, const std::string& out,
                  const MergeOptions& options) {
  Merger(path, adapter, options).WriteTo(out);
}

}  // namespace inference
