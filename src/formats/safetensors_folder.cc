#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "formats/json.h"
#include "formats/safetensors.h"
#include "formats/safetensors_file.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr std::string_view kSuffix = ".safetensors";
constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 32 << 20;
constexpr size_t kMaxShards = 4096;

// tensor name -> shard name
using WeightMap = std::map<std::string, std::string>;

WeightMap ReadIndex(const File& file) {
  const Json json = ParseJson(ReadTextFile(file, kMaxIndexBytes), file.path());
  const std::optional<JsonFields> fields = JsonFields(json, file.path()).FindObject("weight_map");
  Require(fields.has_value(), Status::kFormat, "{}: weight_map: is missing, expected an object",
          file.path());
  WeightMap map;
  for (const auto& [tensor, shard] : fields->json().items()) {
    Require(shard.is_string(), Status::kFormat, "{}: tensor {}: is {}, expected a file name",
            fields->name(), Quote(tensor), shard.type_name());
    const auto& name = shard.get_ref<const std::string&>();
    Require(IsPlainFileName(name) && name.ends_with(kSuffix), Status::kPath,
            "{}: tensor {}: shard {} must be a plain file name that ends in {}", fields->name(),
            Quote(tensor), Quote(name), kSuffix);
    map.emplace(tensor, name);
  }
  return map;
}

// The index and the shards must tell the same: no tensor missing, none unknown to the index.
void CheckIndex(const std::string& index, const WeightMap& map, const TensorSet& set,
                const std::vector<std::string>& shards) {
  for (const auto& [tensor, shard] : map) {
    const TensorEntry* entry = set.Find(tensor);
    Require(entry != nullptr && shards[entry->file] == shard, Status::kFormat,
            "{}: weight_map: tensor {}: is not in {}", index, Quote(tensor), Quote(shard));
  }
  for (const TensorEntry& entry : set.entries()) {
    Require(map.contains(entry.name), Status::kFormat,
            "{}: tensor {}: is not in the weight_map of {}", set.file(entry.file).path(),
            Quote(entry.name), index);
  }
}

// Which files hold the weights of a model folder.
struct Shards {
  std::vector<std::string> names;    // sorted
  std::optional<WeightMap> tensors;  // where there is an index
};

Shards FindShards(const Folder& folder) {
  const std::string& path = folder.path;
  Require(IsDirectory(path), Status::kNotFound, "{}: is not a folder", path);
  Shards out;
  if (folder.Has(kIndexName)) {
    out.tensors = ReadIndex(File::OpenIn(folder, kIndexName));
    std::set<std::string> names;
    for (const auto& [tensor, shard] : *out.tensors) names.insert(shard);
    out.names.assign(names.begin(), names.end());
  } else if (folder.Has(kSingleName)) {
    out.names = {kSingleName};
  } else {
    out.names = ListFolder(path);
    std::erase_if(out.names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  }
  Require(!out.names.empty(), Status::kNotFound, "{}: holds no {} file", path, kSuffix);
  Require(out.names.size() <= kMaxShards, Status::kLimit, "{}: has {} shards, at most {} are read",
          path, out.names.size(), kMaxShards);
  return out;
}

}  // namespace

std::vector<std::string> SafetensorsNames(const Folder& folder) { return FindShards(folder).names; }

TensorSet OpenSafetensorsFolder(const Folder& folder) {
  const Shards shards = FindShards(folder);
  TensorSet set;
  for (const std::string& name : shards.names) {
    AddSafetensorsFile(File::OpenIn(folder, name), &set);
  }
  if (shards.tensors) {
    CheckIndex(folder.path + "/" + kIndexName, *shards.tensors, set, shards.names);
  }
  return set;
}

}  // namespace inference
