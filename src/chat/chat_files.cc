#include "chat/chat_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "util/error.h"

namespace inference {

namespace {

constexpr uint64_t kMaxTemplateFileBytes = 4 << 20;
constexpr uint64_t kMaxConfigBytes = 64 << 20;  // added_tokens_decoder makes some of them large
constexpr size_t kMaxTemplates = 100;

constexpr const char* kDefaultName = "chat_template.jinja";
constexpr const char* kMoreName = "additional_chat_templates";
constexpr const char* kConfigName = "tokenizer_config.json";
constexpr const char* kJsonName = "chat_template.json";
constexpr const char* kTokensName = "special_tokens_map.json";

void AddFile(TemplateSet& set, const Folder& folder, const std::string& file,
             const std::string& name) {
  const File jinja = File::OpenIn(folder, file);
  set.Add(name, ReadTextFile(jinja, kMaxTemplateFileBytes), jinja.path());
}

// The *.jinja files of additional_chat_templates, in the order of their names.
std::vector<std::string> MoreFiles(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    if (entries->path().extension() == ".jinja") names.push_back(entries->path().filename());
    Require(names.size() <= kMaxTemplates, Status::kLimit, "{}: more than {} templates", path,
            kMaxTemplates);
  }
  Require(!error, Status::kIo, "{}: cannot be listed: {}", path, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

void AddMore(TemplateSet& set, const Folder& folder) {
  const std::string path = folder.path + "/" + kMoreName;
  std::error_code error;
  const bool linked = std::filesystem::is_symlink(path, error);
  Require(!linked || folder.allow_symlinks, Status::kPath,
          "{}: is a symbolic link, wanted a folder (or the option allow_symlinks)", path);
  if (!IsDirectory(path)) return;
  const Folder more(path, folder.allow_symlinks);
  for (const std::string& file : MoreFiles(path)) {
    AddFile(set, more, file, file.substr(0, file.size() - std::string_view(".jinja").size()));
  }
}

// chat_template of a JSON file.
void AddFromJson(TemplateSet& set, const Folder& folder, const char* file) {
  if (!folder.Has(file)) return;
  const std::string path = folder.path + "/" + file;
  const Json json = ReadJsonFile(File::OpenIn(folder, file), kMaxConfigBytes);
  const JsonFields fields(json, path);
  if (!fields.Has("chat_template")) return;
  const std::string where = path + ": chat_template";
  const Json& value = json["chat_template"];
  if (value.is_string()) {
    return set.Add("default", value.get_ref<const std::string&>(), where);
  }
  Require(value.is_array(), Status::kFormat, "{}: is {}, wanted a string or an array", where,
          value.type_name());
  Require(value.size() <= kMaxTemplates, Status::kLimit, "{}: has {} templates, wanted at most {}",
          where, value.size(), kMaxTemplates);
  for (size_t i = 0; i < value.size(); ++i) {
    const JsonFields entry(value[i], fmt::format("{}[{}]", where, i));
    set.Add(entry.GetString("name"), entry.GetString("template"), entry.name());
  }
}

// A token as its text or as {"content": text}; other kinds are not the template's matter.
void AddToken(OrderedJson& tokens, const std::string& name, const Json& value) {
  const Json* text = &value;
  if (value.is_object()) {
    const auto content = value.find("content");
    if (content == value.end()) return;
    text = &*content;
  }
  if (text->is_string() && !tokens.contains(name)) tokens[name] = text->get<std::string>();
}

void AddTokens(OrderedJson& tokens, const Folder& folder, const char* file) {
  if (!folder.Has(file)) return;
  const Json json = ReadJsonFile(File::OpenIn(folder, file), kMaxConfigBytes);
  const JsonFields fields(json, folder.path + "/" + file);
  for (const auto& [key, value] : json.items()) {
    if (key.ends_with("_token")) AddToken(tokens, key, value);
    if (key == "extra_special_tokens" && value.is_object()) {
      for (const auto& [name, token] : value.items()) AddToken(tokens, name, token);
    }
  }
}

}  // namespace

TemplateSet LoadChatTemplatesFolder(const Folder& folder) {
  TemplateSet set;
  if (folder.Has(kDefaultName)) AddFile(set, folder, kDefaultName, "default");
  AddMore(set, folder);
  if (set.empty()) AddFromJson(set, folder, kConfigName);
  if (set.empty()) AddFromJson(set, folder, kJsonName);
  return set;
}

TemplateSet LoadChatTemplatesGguf(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  TemplateSet set;
  for (const auto& [key, unused] : metadata.values()) {
    if (!key.starts_with(kKey)) continue;
    const std::string_view rest = std::string_view(key).substr(kKey.size());
    if (!rest.empty() && (rest[0] != '.' || rest.size() == 1)) continue;
    const std::string name = rest.empty() ? "default" : std::string(rest.substr(1));
    set.Add(name, *metadata.FindString(key), fmt::format("{}: {}", metadata.path(), key));
  }
  return set;
}

OrderedJson LoadSpecialTokensFolder(const Folder& folder) {
  OrderedJson tokens = OrderedJson::object();
  AddTokens(tokens, folder, kConfigName);
  AddTokens(tokens, folder, kTokensName);
  return tokens;
}

OrderedJson LoadSpecialTokensGguf(const GgufMetadata& metadata, const Tokenizer& tokenizer) {
  static constexpr std::pair<const char*, const char*> kKeys[] = {
      {"unk_token", "tokenizer.ggml.unknown_token_id"},
      {"pad_token", "tokenizer.ggml.padding_token_id"},
      {"sep_token", "tokenizer.ggml.seperator_token_id"},  // spelt so in the format
      {"cls_token", "tokenizer.ggml.cls_token_id"},
      {"mask_token", "tokenizer.ggml.mask_token_id"}};
  OrderedJson tokens = OrderedJson::object();
  for (const auto& [name, key] : kKeys) {
    const std::optional<int64_t> id = metadata.FindInt(key, INT64_MIN, INT64_MAX);
    if (!id || *id < 0 || *id >= tokenizer.vocab_size()) continue;  // -1 is written for none
    tokens[name] = std::string(tokenizer.TokenText(static_cast<int32_t>(*id)));
  }
  return tokens;
}

}  // namespace inference
