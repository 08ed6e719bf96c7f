#include "models/side_files.h"

#include <span>

namespace inference {

namespace {

constexpr uint64_t kMaxSideFileBytes = 256 << 20;

constexpr const char* kSideFiles[] = {"tokenizer.json",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "tokenizer.model",
                                      "vocab.json",
                                      "merges.txt",
                                      "chat_template.jinja",
                                      "chat_template.json",
                                      "generation_config.json"};

}  // namespace

void CopySideFiles(const Folder& from, const std::string& out) {
  for (const char* name : kSideFiles) {
    if (!from.Has(name)) continue;
    const std::string content = ReadTextFile(File::OpenIn(from, name), kMaxSideFileBytes);
    WriteFileAtomically(out + "/" + name, std::as_bytes(std::span(content)));
  }
}

}  // namespace inference
