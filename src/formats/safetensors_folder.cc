#include <algorithm>
#include <filesystem>
#include <map>
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

std::vector<std::string> ListSafetensors(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(kSuffix)) names.push_back(name);
  }
  Require(!code, Status::kIo, "{}: cannot list: {}", folder, code.message());
  std::ranges::sort(names);
  return names;
}

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

}  // namespace

TensorSet OpenSafetensorsFolder(const Folder& folder) {
  const std::string& path = folder.path;
  Require(IsDirectory(path), Status::kNotFound, "{}: is not a folder", path);
  std::vector<std::string> shards;
  WeightMap map;
  const bool has_index = folder.Has(kIndexName);
  if (has_index) {
    map = ReadIndex(File::OpenIn(folder, kIndexName));
    for (const auto& [tensor, shard] : map) shards.push_back(shard);
    std::ranges::sort(shards);
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());  // clang 14: no subrange
  } else {
    shards =
        folder.Has(kSingleName) ? std::vector<std::string>{kSingleName} : ListSafetensors(path);
  }
  Require(!shards.empty(), Status::kNotFound, "{}: holds no {} file", path, kSuffix);
  Require(shards.size() <= kMaxShards, Status::kLimit, "{}: has {} shards, at most {} are read",
          path, shards.size(), kMaxShards);
  TensorSet set;
  for (const std::string& shard : shards) AddSafetensorsFile(File::OpenIn(folder, shard), &set);
  if (has_index) CheckIndex(path + "/" + kIndexName, map, set, shards);
  return set;
}

}  // namespace inference
