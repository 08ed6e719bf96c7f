// Models in several GGUF files, as llama.cpp's gguf-split writes them: the first part has all keys,
// the others only split.* and their tensors.
#include <charconv>

#include "formats/gguf.h"
#include "formats/gguf_file.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kMaxParts = 4096;
constexpr const char* kCountKey = "split.count";
constexpr const char* kNumberKey = "split.no";
constexpr const char* kTensorsKey = "split.tensors.count";

std::string PartPath(const std::string& stem, int64_t number, int64_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, number, count);
}

std::string FileNameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, slash == 0 ? 1 : slash);
}

int64_t CountOf(const GgufMetadata& metadata) {
  return metadata.FindInt(kCountKey, 0, kMaxParts).value_or(0);
}

// What a part says must be what its name says.
GgufPartName CheckPart(const GgufMetadata& metadata, int64_t count) {
  const std::string& path = metadata.path();
  const std::optional<GgufPartName> name = ParseGgufPartName(path);
  Require(name.has_value(), Status::kFormat,
          "{}: key '{}': is {}, expected a file name that ends in -NNNNN-of-{:05}.gguf", path,
          kCountKey, count, count);
  Require(name->count == count, Status::kFormat,
          "{}: key '{}': is {}, expected {} as in the file name", path, kCountKey, count,
          name->count);
  const int64_t number = metadata.GetInt(kNumberKey, 0, kMaxParts - 1);
  Require(number == name->number - 1, Status::kFormat,
          "{}: key '{}': is {}, expected {}, one less than in the file name", path, kNumberKey,
          number, name->number - 1);
  return *name;
}

}  // namespace

std::optional<GgufPartName> ParseGgufPartName(std::string_view path) {
  constexpr std::string_view kMiddle = "-of-", kEnd = ".gguf";
  constexpr size_t kDigits = 5, kTail = 1 + kDigits + kMiddle.size() + kDigits + kEnd.size();
  if (path.size() <= kTail || !path.ends_with(kEnd)) return std::nullopt;
  const std::string_view tail = path.substr(path.size() - kTail);
  if (tail[0] != '-' || tail.substr(1 + kDigits, kMiddle.size()) != kMiddle) return std::nullopt;
  const auto number_at = [&](size_t at) -> int64_t {
    int64_t value = -1;
    const char* const end = tail.data() + at + kDigits;
    const auto [stop, error] = std::from_chars(tail.data() + at, end, value);
    return error == std::errc() && stop == end ? value : -1;
  };
  const int64_t number = number_at(1), count = number_at(1 + kDigits + kMiddle.size());
  if (number < 1 || number > count) return std::nullopt;
  return GgufPartName{std::string(path.substr(0, path.size() - kTail)), number, count};
}

std::vector<std::string> GgufPartNames(const GgufMetadata& metadata) {
  const std::string& path = metadata.path();
  const int64_t count = CountOf(metadata);
  if (count <= 1) return {FileNameOf(path)};
  const GgufPartName name = CheckPart(metadata, count);
  Require(name.number == 1, Status::kArg, "{}: is part {} of {}, open the first: {}", path,
          name.number, count, PartPath(name.stem, 1, count));
  std::vector<std::string> names;
  for (int64_t i = 1; i <= count; ++i) {
    names.push_back(FileNameOf(PartPath(name.stem, i, count)));
  }
  return names;
}

Gguf OpenGguf(const std::string& path, bool allow_symlinks) {
  Gguf gguf = OpenGgufFile(path);
  const std::vector<std::string> names = GgufPartNames(gguf.metadata);
  const auto count = static_cast<int64_t>(names.size());
  if (count == 1) return gguf;
  const Folder folder(FolderOf(path), allow_symlinks);
  for (size_t i = 1; i < names.size(); ++i) {
    const GgufMetadata part = AddGgufFile(File::OpenIn(folder, names[i]), &gguf.tensors);
    CheckPart(part, part.GetInt(kCountKey, 0, kMaxParts));
  }
  const auto found = static_cast<int64_t>(gguf.tensors.entries().size());
  const int64_t told = gguf.metadata.GetInt(kTensorsKey, 0, INT64_MAX);
  Require(told == found, Status::kFormat,
          "{}: key '{}': is {}, expected {}, what the {} parts hold", path, kTensorsKey, told,
          found, count);
  return gguf;
}

}  // namespace inference
