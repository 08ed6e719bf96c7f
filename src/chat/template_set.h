// The chat templates of a checkpoint, by name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "chat/chat_template.h"

namespace inference {

class TemplateSet {
 public:
  // `where` begins messages. A template that cannot be parsed is no reason to refuse the others,
  // nor the checkpoint: Select fails where it is asked for. Replaces an earlier one of that name.
  void Add(const std::string& name, std::string_view source, const std::string& where);
  void Clear() { templates_.clear(); }

  bool empty() const { return templates_.empty(); }
  bool Has(std::string_view name) const { return templates_.find(name) != templates_.end(); }
  std::string Names() const;  // "'default', 'tool_use'"

  // As transformers chooses: the one called `name`; for "" it is tool_use where the conversation
  // has tools and there is such a template, else default. Fails with STATE where nothing can be
  // chosen, ARG for an unknown name, TEMPLATE where the chosen one cannot be parsed.
  const ChatTemplate& Select(std::string_view name, bool has_tools) const;

 private:
  using Parsed = std::variant<ChatTemplate, std::string>;  // or why it cannot be used
  std::map<std::string, Parsed, std::less<>> templates_;
};

// What a caller wants instead of the default choice; as it is, nothing.
struct TemplateChoice {
  std::string name;                           // one of the checkpoint's
  std::shared_ptr<const ChatTemplate> other;  // not the checkpoint's

  bool empty() const { return name.empty() && other == nullptr; }
};

// `text` is the name of one of the checkpoint's templates, else of a built-in style, else Jinja.
// Fails with ARG where it is empty or a word that names neither, TEMPLATE where it cannot be
// parsed.
TemplateChoice ChooseTemplate(const TemplateSet& set, std::string_view text);

}  // namespace inference
