// What the files beside tokenizer.json say, each read once for the tokenizer and the chat
// templates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/json.h"
#include "util/file.h"

namespace inference {

// Of each JSON file of a folder but tokenizer.json; added_tokens_decoder makes some large.
constexpr uint64_t kMaxTextConfigBytes = uint64_t{64} << 20;

class TextFolder {
 public:
  // FORMAT, LIMIT, PATH or IO where one of the files is there and cannot be read.
  TextFolder(const Folder& folder);  // implicit: as a path is a folder
  TextFolder(const std::string& path) : TextFolder(Folder(path)) {}
  TextFolder(const char* path) : TextFolder(Folder(path)) {}
  TextFolder(const TextFolder&) = delete;
  TextFolder& operator=(const TextFolder&) = delete;

  const Folder& folder() const { return folder_; }
  // Null where there is no such file.
  const JsonFields* tokenizer_config() const { return config_.get(); }
  const JsonFields* special_tokens_map() const { return tokens_.get(); }

 private:
  struct Content {
    const JsonFields* get() const { return fields ? &*fields : nullptr; }
    Json json;
    std::optional<JsonFields> fields;  // of json
  };
  void Read(const char* name, Content& out) const;

  Folder folder_;
  Content config_, tokens_;
};

}  // namespace inference
