#include "tokenizer/text_folder.h"

namespace inference {

TextFolder::TextFolder(const Folder& folder) : folder_(folder) {
  Read("tokenizer_config.json", config_);
  Read("special_tokens_map.json", tokens_);
}

void TextFolder::Read(const char* name, Content& out) const {
  if (!folder_.Has(name)) return;
  out.json = ReadJsonFile(File::OpenIn(folder_, name), kMaxTextConfigBytes);
  out.fields.emplace(out.json, folder_.path + "/" + name);
}

}  // namespace inference
