#include "chat/chat_files.h"

#include <string_view>
#include <utility>

#include "formats/json.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {

namespace {

constexpr uint64_t kMaxTemplateFileBytes = 4 << 20;
constexpr uint64_t kMaxConfigBytes = 64 << 20;  // added_tokens_decoder makes some of them large

std::optional<ChatTemplate> Combined(std::optional<ChatTemplate> plain,
                                     std::optional<ChatTemplate> tool_use) {
  if (plain && tool_use) return plain->WithToolUse(*std::move(tool_use));
  return plain ? plain : tool_use;
}

std::optional<ChatTemplate> FromList(const Json& list, const std::string& name) {
  std::optional<ChatTemplate> plain, tool_use;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonFields entry(list[i], fmt::format("{}[{}]", name, i));
    const std::string kind = entry.GetString("name"), source = entry.GetString("template");
    if (kind == "default") plain = ChatTemplate::Parse(source, entry.name());
    if (kind == "tool_use") tool_use = ChatTemplate::Parse(source, entry.name());
  }
  return Combined(std::move(plain), std::move(tool_use));
}

}  // namespace

std::optional<ChatTemplate> LoadChatTemplateFolder(const std::string& folder) {
  const std::string jinja = folder + "/chat_template.jinja";
  if (FileExists(jinja)) {
    return ChatTemplate::Parse(ReadTextFile(jinja, kMaxTemplateFileBytes), jinja);
  }
  const std::string config = folder + "/tokenizer_config.json";
  if (!FileExists(config)) return std::nullopt;
  const Json json = ReadJsonFile(config, kMaxConfigBytes);
  const JsonFields fields(json, config);
  if (!fields.Has("chat_template")) return std::nullopt;
  const std::string name = config + ": chat_template";
  const Json& value = json["chat_template"];
  if (value.is_string()) return ChatTemplate::Parse(value.get_ref<const std::string&>(), name);
  Require(value.is_array(), Status::kFormat, "{}: is {}, wanted a string or an array", name,
          value.type_name());
  return FromList(value, name);
}

std::optional<ChatTemplate> LoadChatTemplateGguf(const GgufMetadata& metadata) {
  const auto load = [&](std::string_view key) -> std::optional<ChatTemplate> {
    const std::string* source = metadata.FindString(key);
    if (source == nullptr) return std::nullopt;
    return ChatTemplate::Parse(*source, fmt::format("{}: {}", metadata.path(), key));
  };
  return Combined(load("tokenizer.chat_template"), load("tokenizer.chat_template.tool_use"));
}

}  // namespace inference
