// Where checkpoints keep their chat templates.
#pragma once

#include <optional>
#include <string>

#include "chat/chat_template.h"
#include "formats/gguf.h"

namespace inference {

// chat_template.jinja of a Hugging Face folder, else chat_template of its tokenizer_config.json: a
// string, or a list of {name, template} of which "default" and "tool_use" are taken. Nothing where
// there is none. Fails with FORMAT or TEMPLATE.
std::optional<ChatTemplate> LoadChatTemplateFolder(const std::string& folder);

// tokenizer.chat_template, with tokenizer.chat_template.tool_use where that is there too.
std::optional<ChatTemplate> LoadChatTemplateGguf(const GgufMetadata& metadata);

}  // namespace inference
