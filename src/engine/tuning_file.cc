#include "engine/tuning_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>

#include "device/program_files.h"
#include "formats/json.h"
#include "util/error.h"
#include "util/file.h"
#include "util/version.h"

namespace inference {

namespace {

constexpr int64_t kFormat = 1;
constexpr uint64_t kMaxBytes = 1 << 20;
constexpr int64_t kMaxRules = 1000;
constexpr int64_t kMaxExtent = int64_t{1} << 40;  // rows or tokens of a rule

// FNV-1a: names of files, nothing more.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::string FolderOf(const std::string& cache_dir) {
  const std::string folder = cache_dir.empty() ? DefaultCacheDirectory() : cache_dir;
  Require(!folder.empty(), Status::kIo,
          "tuning: there is no cache folder: neither HOME nor a user entry is there");
  return folder + "/tuning";
}

MatmulKernel KernelOf(const std::string& name, const std::string& where) {
  for (const auto kernel : {MatmulKernel::kEach, MatmulKernel::kLanes, MatmulKernel::kTiles}) {
    if (MatmulKernelName(kernel) == name) return kernel;
  }
  Fail(Status::kFormat, "{}: kernel: is {}, expected matmul_each, matvec_group or matmul_group",
       where, Quote(name));
}

MatmulRule RuleOf(const JsonFields& fields) {
  const auto extent = [&](const char* key) {
    return static_cast<int32_t>(fields.FindInt(key, 0, 1024).value_or(0));
  };
  MatmulRule rule;
  const std::string weights = fields.GetString("weights");
  Require(weights == "blocks" || weights == "plain", Status::kFormat,
          "{}: weights: is {}, expected blocks or plain", fields.name(), Quote(weights));
  rule.blocks = weights == "blocks";
  rule.rows_up_to = fields.GetInt("rows_up_to", 1, kMaxExtent);
  rule.tokens_up_to = fields.GetInt("tokens_up_to", 1, kMaxExtent);
  rule.choice = {.kernel = KernelOf(fields.GetString("kernel"), fields.name()),
                 .lanes = extent("lanes"),
                 .rows = extent("rows"),
                 .tokens = extent("tokens"),
                 .item_tokens = extent("item_tokens")};
  Require(rule.choice.IsValid(rule.blocks), Status::kFormat,
          "{}: no {} for {} weights has these sizes", fields.name(),
          MatmulKernelName(rule.choice.kernel), weights);
  return rule;
}

void CheckText(const JsonFields& fields, const char* key, const std::string& want) {
  const std::string found = fields.GetString(key);
  Require(found == want, Status::kFormat, "{}: {}: is {}, expected {}", fields.name(), key,
          Quote(found), Quote(want));
}

Tuning Parse(const std::string& path, const DeviceInfo& info) {
  const Json json = ReadJsonFile(path, kMaxBytes);
  const JsonFields fields(json, path);
  fields.GetInt("format", kFormat, kFormat);
  CheckText(fields, "device", info.name);
  CheckText(fields, "driver", info.driver);
  CheckText(fields, "library", kVersion);
  Tuning tuning;
  tuning.parts_per_compute_unit =
      static_cast<int32_t>(fields.GetInt("parts_per_compute_unit", 1, kMaxPartsPerComputeUnit));
  const Json* rules = fields.FindArray("matmul");
  Require(rules != nullptr && static_cast<int64_t>(rules->size()) <= kMaxRules, Status::kFormat,
          "{}: matmul: is absent or longer than {}", path, kMaxRules);
  for (size_t i = 0; i < rules->size(); ++i) {
    tuning.matmul.push_back(
        RuleOf(JsonFields((*rules)[i], fmt::format("{}: matmul[{}]", path, i))));
  }
  return tuning;
}

OrderedJson RuleJson(const MatmulRule& rule) {
  OrderedJson json = {{"weights", rule.blocks ? "blocks" : "plain"},
                      {"rows_up_to", rule.rows_up_to},
                      {"tokens_up_to", rule.tokens_up_to},
                      {"kernel", MatmulKernelName(rule.choice.kernel)}};
  if (rule.choice.kernel == MatmulKernel::kLanes) json["lanes"] = rule.choice.lanes;
  if (rule.choice.kernel == MatmulKernel::kTiles) {
    json["rows"] = rule.choice.rows;
    json["tokens"] = rule.choice.tokens;
    json["item_tokens"] = rule.choice.item_tokens;
  }
  return json;
}

}  // namespace

std::string TuningPath(const std::string& cache_dir, const DeviceInfo& info) {
  return fmt::format("{}/{:016x}.json", FolderOf(cache_dir), Hash(info.name + "\n" + info.driver));
}

std::string TuningJson(const DeviceInfo& info, const Tuning& tuning) {
  OrderedJson rules = OrderedJson::array();
  for (const MatmulRule& rule : tuning.matmul) rules.push_back(RuleJson(rule));
  const OrderedJson json = {{"format", kFormat},
                            {"device", info.name},
                            {"driver", info.driver},
                            {"library", kVersion},
                            {"parts_per_compute_unit", tuning.parts_per_compute_unit},
                            {"matmul", std::move(rules)}};
  return json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::optional<Tuning> LoadTuning(const std::string& cache_dir, const DeviceInfo& info,
                                 const Logger& logger) {
  try {
    const std::string path = TuningPath(cache_dir, info);
    if (!FileExists(path)) return std::nullopt;
    return Parse(path, info);
  } catch (const Error& error) {
    logger.Log(LogLevel::kWarning, "tuning", "ignored: {}", error.what());
    return std::nullopt;
  }
}

void MakeTuningFolder(const std::string& cache_dir) {
  const std::string folder = FolderOf(cache_dir);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  Require(!failed, Status::kIo, "{}: cannot be made: {}", folder, failed.message());
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    FailErrno(Status::kIo, folder, "cannot be written to", errno);
  }
}

void SaveTuning(const std::string& cache_dir, const DeviceInfo& info, const Tuning& tuning) {
  MakeTuningFolder(cache_dir);
  const std::string json = TuningJson(info, tuning);
  WriteFileAtomically(TuningPath(cache_dir, info), std::as_bytes(std::span(json)));
}

void RemoveTuning(const std::string& cache_dir, const DeviceInfo& info) {
  const std::string path = TuningPath(cache_dir, info);
  std::error_code failed;
  std::filesystem::remove(path, failed);
  Require(!failed, Status::kIo, "{}: cannot be removed: {}", path, failed.message());
}

}  // namespace inference
