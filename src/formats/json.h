// JSON from files and callers: duplicate keys, deep nesting and bad UTF-8 are errors that say
// where.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "util/file.h"

namespace inference {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps key order; look-up is linear

// `name` (a path, or "messages") begins every message. FORMAT; LIMIT past kMaxJsonDepth.
constexpr int kMaxJsonDepth = 64;
Json ParseJson(std::string_view text, std::string_view name);
OrderedJson ParseOrderedJson(std::string_view text, std::string_view name);
Json ReadJsonFile(const std::string& path, uint64_t max_bytes);
Json ReadJsonFile(const File& file, uint64_t max_bytes);

// Typed fields of an object. Find* return nothing where the key is absent or null; both fail with
// FORMAT naming file, field, value found and what was wanted ("integer 1..65536").
class JsonFields {
 public:
  JsonFields(const Json& object, std::string name);  // FORMAT where not an object
  const std::string& name() const { return name_; }
  bool Has(const char* key) const;  // present and not null
  std::optional<int64_t> FindInt(const char* key, int64_t min, int64_t max) const;
  std::optional<double> FindFloat(const char* key, double min, double max) const;  // finite
  std::optional<bool> FindBool(const char* key) const;
  std::optional<std::string> FindString(const char* key) const;
  std::optional<JsonFields> FindObject(const char* key) const;  // its name is "NAME: KEY"
  const Json* FindArray(const char* key) const;
  int64_t GetInt(const char* key, int64_t min, int64_t max) const;
  double GetFloat(const char* key, double min, double max) const;
  std::string GetString(const char* key) const;
  const Json& json() const { return *object_; }

 private:
  const Json* object_;  // borrowed
  std::string name_;
};

}  // namespace inference
