// GGUF v2 and v3 (github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "formats/tensor_set.h"

namespace inference {

// The key-value part. Every getter fails with FORMAT naming file, key, the type found and the one
// wanted; Find* return nothing where the key is absent.
class GgufMetadata {
 public:
  // Integers of every width are kept as int64 (u64 above 2^63-1 is refused at parse).
  using Value = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                             std::vector<double>, std::vector<bool>, std::vector<std::string>>;

  explicit GgufMetadata(std::string path = {}) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }
  bool Has(std::string_view key) const;
  void Set(std::string key, Value value);  // FORMAT where the key is there already

  std::optional<int64_t> FindInt(std::string_view key, int64_t min, int64_t max) const;
  std::optional<double> FindFloat(std::string_view key) const;  // also accepts integers
  std::optional<bool> FindBool(std::string_view key) const;
  const std::string* FindString(std::string_view key) const;
  const std::vector<std::string>* FindStrings(std::string_view key) const;
  const std::vector<int64_t>* FindInts(std::string_view key) const;
  const std::vector<double>* FindFloats(std::string_view key) const;

  int64_t GetInt(std::string_view key, int64_t min, int64_t max) const;
  double GetFloat(std::string_view key) const;
  const std::string& GetString(std::string_view key) const;

  const std::unordered_map<std::string, Value>& values() const { return values_; }

 private:
  std::string path_;
  std::unordered_map<std::string, Value> values_;
};

struct Gguf {
  GgufMetadata metadata;
  TensorSet tensors;  // shapes outermost first: GGUF's ne[] reversed
};

// A file or, of a model in several (NAME-00001-of-00003.gguf), the first: the others, beside it,
// are opened by the rule of Folder, NOT_FOUND where one is missing. ARG for a part that is not the
// first, FORMAT where split.no, split.count or split.tensors.count do not agree with what is there.
Gguf OpenGguf(const std::string& path, bool allow_symlinks = false);

// What is in this file alone.
Gguf OpenGgufFile(const std::string& path);

// The file names of all parts, by the name of the file that `metadata` is from and its keys; the
// one name where it is not split. Errors as OpenGguf, but nothing is opened.
std::vector<std::string> GgufPartNames(const GgufMetadata& metadata);

// NAME-00002-of-00003.gguf is part 2 of 3.
struct GgufPartName {
  std::string stem;  // NAME, with its folder
  int64_t number, count;
};
std::optional<GgufPartName> ParseGgufPartName(std::string_view path);

}  // namespace inference
