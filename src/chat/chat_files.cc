#include "chat/chat_files.h"

#include <string_view>
#include <utility>

#include "util/error.h"

namespace inference {

namespace {

constexpr uint64_t kMaxTemplateFileBytes = 4 << 20;
constexpr size_t kMaxTemplates = 100;

constexpr const char* kDefaultName = "chat_template.jinja";
constexpr const char* kMoreName = "additional_chat_templates";
constexpr const char* kJsonName = "chat_template.json";

void AddFile(TemplateSet& set, const Folder& folder, const std::string& file,
             const std::string& name) {
  const File jinja = File::OpenIn(folder, file);
  set.Add(name, ReadTextFile(jinja, kMaxTemplateFileBytes), jinja.path());
}

void AddMore(TemplateSet& set, const Folder& folder) {
  constexpr std::string_view kEnding = ".jinja";
  if (!folder.Has(kMoreName)) return;
  const Folder more = folder.Sub(kMoreName);
  if (!IsDirectory(more.path)) return;
  size_t count = 0;
  for (const std::string& file : ListFolder(more.path)) {
    if (!file.ends_with(kEnding) || file.size() == kEnding.size()) continue;
    Require(++count <= kMaxTemplates, Status::kLimit, "{}: more than {} templates", more.path,
            kMaxTemplates);
    AddFile(set, more, file, file.substr(0, file.size() - kEnding.size()));
  }
}

// chat_template of a JSON file.
void AddFromJson(TemplateSet& set, const JsonFields& fields) {
  if (!fields.Has("chat_template")) return;
  const std::string where = fields.name() + ": chat_template";
  const Json& value = fields.json().at("chat_template");
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

void AddTokens(OrderedJson& tokens, const JsonFields* fields) {
  if (fields == nullptr) return;
  for (const auto& [key, value] : fields->json().items()) {
    if (key.ends_with("_token")) AddToken(tokens, key, value);
    if (key == "extra_special_tokens" && value.is_object()) {
      for (const auto& [name, token] : value.items()) AddToken(tokens, name, token);
    }
  }
}

}  // namespace

TemplateSet LoadChatTemplatesFolder(const TextFolder& files) {
  const Folder& folder = files.folder();
  TemplateSet set;
  if (folder.Has(kDefaultName)) AddFile(set, folder, kDefaultName, "default");
  AddMore(set, folder);
  if (set.empty() && files.tokenizer_config() != nullptr) {
    AddFromJson(set, *files.tokenizer_config());
  }
  if (set.empty() && folder.Has(kJsonName)) {
    const Json json = ReadJsonFile(File::OpenIn(folder, kJsonName), kMaxTextConfigBytes);
    AddFromJson(set, JsonFields(json, folder.path + "/" + kJsonName));
  }
  return set;
}

TemplateSet LoadChatTemplatesGguf(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  TemplateSet set;
  size_t count = 0;
  for (const auto& [key, unused] : metadata.values()) {
    if (!key.starts_with(kKey)) continue;
    const std::string_view rest = std::string_view(key).substr(kKey.size());
    if (!rest.empty() && (rest[0] != '.' || rest.size() == 1)) continue;
    Require(++count <= kMaxTemplates, Status::kLimit, "{}: has more than {} chat templates",
            metadata.path(), kMaxTemplates);
    const std::string name = rest.empty() ? "default" : std::string(rest.substr(1));
    set.Add(name, *metadata.FindString(key), fmt::format("{}: {}", metadata.path(), key));
  }
  return set;
}

OrderedJson LoadSpecialTokensFolder(const TextFolder& files) {
  OrderedJson tokens = OrderedJson::object();
  AddTokens(tokens, files.tokenizer_config());
  AddTokens(tokens, files.special_tokens_map());
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
