#include "models/adapter_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "formats/finite.h"
#include "formats/safetensors.h"
#include "util/blake2b.h"
#include "util/error.h"
#include "util/float16.h"

namespace inference {

namespace {

constexpr const char* kConfigName = "adapter_config.json";
constexpr const char* kFileNames[] = {"adapters.safetensors", "adapter_model.safetensors",
                                      "adapter.safetensors"};
// What else adapters come in, and what to do about it.
constexpr std::pair<std::string_view, std::string_view> kOtherFiles[] = {
    {"adapters.npz", "an archive of an old mlx-lm: save it as adapters.safetensors"},
    {"adapter_model.bin", "a pickle: save it as adapter_model.safetensors"}};

// A module of the base as the file has it: perhaps several targets in one matrix.
struct StoredPair {
  AdapterTensorName name;
  const TensorEntry* A = nullptr;
  const TensorEntry* B = nullptr;
  int64_t in = 0, out = 0;
};

// The tensors and their config, opened.
struct Source {
  TensorSet tensors;
  std::optional<AdapterConfig> config;

  const std::string& path() const { return tensors.file(0).path(); }
  std::string Where(const TensorEntry& entry) const {
    return fmt::format("{}: tensor {}", path(), Quote(entry.name));
  }
};

File OpenIn(const Folder& folder) {
  for (const char* name : kFileNames) {
    if (folder.Has(name)) return File::OpenIn(folder, name);
  }
  for (const auto& [name, what] : kOtherFiles) {
    Require(!folder.Has(std::string(name)), Status::kUnsupported, "{}/{}: is {}", folder.path, name,
            what);
  }
  Fail(Status::kNotFound, "{}: holds none of {}", folder.path, fmt::join(kFileNames, ", "));
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Source Open(const std::string& path, const AdapterReadOptions& options) {
  const bool is_folder = IsDirectory(path);
  for (const auto& [name, what] : kOtherFiles) {
    const std::string_view ending = name.substr(name.rfind('.'));
    Require(is_folder || !path.ends_with(ending), Status::kUnsupported, "{}: is {}", path, what);
  }
  const Folder folder(is_folder ? path : FolderOf(path), options.allow_symlinks);
  Source out;
  out.tensors = OpenSafetensors(is_folder ? OpenIn(folder) : File::Open(path));
  if (folder.Has(kConfigName)) out.config.emplace(File::OpenIn(folder, kConfigName));
  Require(std::isfinite(options.scale.value_or(1.0f)), Status::kArg,
          "{}: the scale given is {}, expected a finite number", out.path(),
          options.scale.value_or(1.0f));
  Require(!out.config || !options.scale, Status::kArg,
          "{}: a scale is given, but {} says what it is", out.path(), kConfigName);
  Require(out.config || options.scale, Status::kNotFound,
          "{}/{}: is missing; without it a scale must be given", folder.path, kConfigName);
  return out;
}

// Every tensor, by the module that it is of.
std::map<std::string, StoredPair> FindPairs(const Source& source, const ModelDims& dims) {
  std::map<std::string, StoredPair> pairs;
  for (const TensorEntry& entry : source.tensors.entries()) {
    const std::string where = source.Where(entry);
    const AdapterTensorName name = ParseAdapterTensorName(where, entry.name, dims.num_layers);
    Require(IsHalfOrFloat(entry.dtype), Status::kUnsupported,
            "{}: type is {}, expected F32, F16 or BF16", where, InfoOf(entry.dtype).name);
    Require(entry.shape.size() == 2, Status::kFormat, "{}: shape is [{}], expected two axes", where,
            fmt::join(entry.shape, ", "));
    const bool is_as_others = pairs.empty() || pairs.begin()->second.name.is_peft == name.is_peft;
    Require(is_as_others, Status::kFormat, "{}: is named as {}'s are, others not", where,
            name.is_peft ? "PEFT" : "MLX");
    StoredPair& pair = pairs[name.module];
    const TensorEntry*& half = name.is_a ? pair.A : pair.B;
    Require(half == nullptr, Status::kFormat, "{}: {} has given this matrix already", where,
            half == nullptr ? "" : Quote(half->name));
    half = &entry;
    pair.name = name;
  }
  Require(!pairs.empty(), Status::kFormat, "{}: holds no tensors", source.path());
  for (auto& [module, pair] : pairs) {
    const TensorEntry* there = pair.A != nullptr ? pair.A : pair.B;
    Require(pair.A != nullptr && pair.B != nullptr, Status::kFormat,
            "{}: stands alone, expected both lora_a and lora_b of {}", source.Where(*there),
            Quote(module));
    for (const LoraTarget target : pair.name.targets) {
      pair.in = ShapeOf(target, dims).in;
      pair.out += ShapeOf(target, dims).out;
    }
  }
  return pairs;
}

bool HasShape(const TensorEntry& entry, int64_t rows, int64_t columns) {
  return std::cmp_equal(entry.shape[0], rows) && std::cmp_equal(entry.shape[1], columns);
}

// Whether the pair can be of this form, its rank then.
std::optional<int64_t> RankIn(AdapterFormat format, const StoredPair& pair) {
  const bool is_turned = format == AdapterFormat::kMlxLm;
  const uint64_t rank = pair.A->shape[is_turned ? 1 : 0];
  const auto r = static_cast<int64_t>(std::min<uint64_t>(rank, INT64_MAX));
  const bool fits = is_turned ? HasShape(*pair.A, pair.in, r) && HasShape(*pair.B, r, pair.out)
                              : HasShape(*pair.A, r, pair.in) && HasShape(*pair.B, pair.out, r);
  return fits && r > 0 ? std::optional(r) : std::nullopt;
}

[[noreturn]] void FailShape(const Source& source, const StoredPair& pair, std::string_view want) {
  Fail(Status::kFormat, "{}: shape is [{}] and that of its B [{}], expected {} (in {}, out {})",
       source.Where(*pair.A), fmt::join(pair.A->shape, ", "), fmt::join(pair.B->shape, ", "), want,
       pair.in, pair.out);
}

// mlx-lm's and go-mlx's tensors have the same names: shapes tell, of whatever module they can.
AdapterFormat FormatOf(const Source& source, const std::map<std::string, StoredPair>& pairs) {
  if (pairs.begin()->second.name.is_peft) return AdapterFormat::kPeft;
  const StoredPair* decided = nullptr;
  AdapterFormat format = AdapterFormat::kMlxLm;
  for (const auto& [module, pair] : pairs) {
    const bool as_mlx = RankIn(AdapterFormat::kMlxLm, pair).has_value();
    const bool as_go = RankIn(AdapterFormat::kGoMlx, pair).has_value();
    if (!as_mlx && !as_go) FailShape(source, pair, "[in, r] and [r, out], or [r, in] and [out, r]");
    if (as_mlx && as_go) continue;
    const AdapterFormat is = as_mlx ? AdapterFormat::kMlxLm : AdapterFormat::kGoMlx;
    Require(decided == nullptr || format == is, Status::kFormat,
            "{}: has {}'s shape, but {} has {}'s", source.Where(*pair.A), NameOf(is),
            decided == nullptr ? "" : Quote(decided->A->name), NameOf(format));
    decided = &pair;
    format = is;
  }
  if (decided != nullptr) return format;
  Require(source.config && source.config->format() != AdapterFormat::kPeft, Status::kFormat,
          "{}: shapes fit mlx-lm's form and go-mlx's, and no {} tells which of the two wrote it",
          source.path(), kConfigName);
  return source.config->format();
}

// All values, as rows of a [rows, columns] matrix or of one turned around.
std::vector<float> ReadMatrix(const Source& source, const TensorEntry& entry, bool is_turned) {
  std::vector<std::byte> bytes(entry.bytes);
  source.tensors.Read(entry, 0, bytes);
  const std::optional<size_t> bad = FindNotFinite(entry.dtype, bytes);
  Require(!bad, Status::kNumeric, "{}: value {} of {} is not a finite number", source.Where(entry),
          bad.value_or(0), entry.shape[0] * entry.shape[1]);
  const size_t rows = entry.shape[0], columns = entry.shape[1];
  std::vector<float> values(rows * columns);
  ToFloats(entry.dtype, bytes, values);
  if (!is_turned) return values;
  std::vector<float> turned(values.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) turned[j * rows + i] = values[i * columns + j];
  }
  return turned;
}

// The pair as modules: where the base has several targets in one matrix, each gets its rows of B.
void ReadPair(const Source& source, AdapterFormat format, const StoredPair& pair,
              const ModelDims& dims, float given_scale, std::vector<LoraModule>& out) {
  const std::string& module = pair.name.module;
  const std::optional<int64_t> rank = RankIn(format, pair);
  if (!rank) {
    FailShape(source, pair,
              format == AdapterFormat::kMlxLm ? "[in, r] and [r, out]" : "[r, in] and [out, r]");
  }
  double scale = static_cast<double>(given_scale);
  if (source.config) {
    const std::optional<int64_t> want = source.config->RankOf(module);
    Require(!want || *want == *rank, Status::kFormat, "{}: has rank {}, {} says {}",
            source.Where(*pair.A), *rank, source.config->path(), want.value_or(0));
    source.config->RequireTargeted(source.Where(*pair.A), module, pair.name.layer);
    scale = source.config->ScaleOf(module, *rank);
  }
  const bool is_turned = format == AdapterFormat::kMlxLm;
  std::vector<float> A = ReadMatrix(source, *pair.A, is_turned);
  const std::vector<float> B = ReadMatrix(source, *pair.B, is_turned);
  auto row = B.begin();
  for (const LoraTarget target : pair.name.targets) {
    const auto end = row + ShapeOf(target, dims).out * *rank;
    out.push_back({pair.name.layer, target, *rank, static_cast<float>(scale), A, {row, end}});
    row = end;
  }
}

}  // namespace

std::string HashOf(const std::vector<LoraModule>& modules) {
  Blake2b hash(16);
  for (const LoraModule& module : modules) {
    const std::array<int64_t, 3> head = {module.layer, static_cast<int64_t>(module.target),
                                         module.rank};
    hash.Add(std::as_bytes(std::span(head)));
    hash.Add(std::as_bytes(std::span(&module.scale, 1)));
    hash.Add(std::as_bytes(std::span(module.A)));
    hash.Add(std::as_bytes(std::span(module.B)));
  }
  return hash.Finish();
}

LinearShape ShapeOf(LoraTarget target, const ModelDims& dims) {
  const int64_t D = dims.hidden_size, F = dims.intermediate_size;
  switch (target) {
    case LoraTarget::kQ:
      return {D, dims.num_attention_heads * dims.head_dim};
    case LoraTarget::kK:
    case LoraTarget::kV:
      return {D, dims.num_key_value_heads * dims.head_dim};
    case LoraTarget::kO:
      return {dims.num_attention_heads * dims.head_dim, D};
    case LoraTarget::kGate:
    case LoraTarget::kUp:
      return {D, F};
    case LoraTarget::kDown:
      return {F, D};
  }
  return {};
}

AdapterFile ReadAdapter(const std::string& path, const ModelDims& dims,
                        const AdapterReadOptions& options) {
  const Source source = Open(path, options);
  const std::map<std::string, StoredPair> pairs = FindPairs(source, dims);
  AdapterFile out;
  out.path = source.path();
  out.format = FormatOf(source, pairs);
  const bool config_is_peft = source.config && source.config->format() == AdapterFormat::kPeft;
  Require(!source.config || config_is_peft == (out.format == AdapterFormat::kPeft), Status::kFormat,
          "{}: is {}'s, but the tensors are named as {}'s are",
          source.config ? source.config->path() : "", config_is_peft ? "PEFT" : "MLX",
          config_is_peft ? "MLX" : "PEFT");
  for (const auto& [module, pair] : pairs) {
    ThrowIfCancelled(options.cancel, "adapter load");
    ReadPair(source, out.format, pair, dims, options.scale.value_or(1.0f), out.modules);
  }
  const auto key = [](const LoraModule& module) { return std::tuple(module.layer, module.target); };
  std::ranges::sort(out.modules, {}, key);
  const auto twice = std::ranges::adjacent_find(out.modules, {}, key);
  Require(twice == out.modules.end(), Status::kFormat, "{}: layer {} has {} twice", out.path,
          twice == out.modules.end() ? 0 : twice->layer,
          twice == out.modules.end() ? "" : NameOf(twice->target));
  out.hash = HashOf(out.modules);
  return out;
}

}  // namespace inference
