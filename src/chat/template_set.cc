#include "chat/template_set.h"

#include <optional>

#include "chat/messages.h"
#include "util/error.h"

namespace inference {

void TemplateSet::Add(const std::string& name, std::string_view source, const std::string& where) {
  try {
    templates_.insert_or_assign(name, ChatTemplate::Parse(source, where));
  } catch (const Error& error) {
    if (error.status() != Status::kTemplate) throw;
    templates_.insert_or_assign(name, std::string(error.what()));
  }
}

std::string TemplateSet::Names() const {
  std::string names;
  for (const auto& [name, parsed] : templates_) {
    if (!names.empty()) names += ", ";
    names += Quote(name);
  }
  return names;
}

const ChatTemplate& TemplateSet::Select(std::string_view name, bool has_tools) const {
  Require(!templates_.empty(), Status::kState,
          "chat: the checkpoint has no chat template, and none was set");
  auto found = templates_.find(name);
  if (name.empty()) {
    found = has_tools ? templates_.find("tool_use") : templates_.end();
    if (found == templates_.end()) found = templates_.find("default");
    Require(found != templates_.end(), Status::kState,
            "chat: the checkpoint has no default chat template, choose one of: {}", Names());
  }
  Require(found != templates_.end(), Status::kArg,
          "chat: the checkpoint has no chat template {}, it has: {}", Quote(name), Names());
  if (const auto* why = std::get_if<std::string>(&found->second)) {
    Fail(Status::kTemplate, "{}", *why);
  }
  return std::get<ChatTemplate>(found->second);
}

TemplateChoice ChooseTemplate(const TemplateSet& set, std::string_view text) {
  Require(!text.empty(), Status::kArg, "chat_template: is empty, wanted a template or a name");
  if (set.Has(text)) return {.name = std::string(text), .other = nullptr};
  const std::optional<std::string> style = BuiltinTemplate(text);
  // Text without a tag would be printed for every conversation: a mistyped name, not a template.
  const bool word = text.find_first_of("{ \t\n\r") == text.npos;
  Require(style || !word, Status::kArg,
          "chat_template: no style or template is called {}; styles: {}; the checkpoint's: {}",
          Quote(text), BuiltinNames(), set.empty() ? "none" : set.Names());
  return {.name = {},
          .other = std::make_shared<const ChatTemplate>(
              ChatTemplate::Parse(style ? std::string_view(*style) : text, "chat_template"))};
}

}  // namespace inference
