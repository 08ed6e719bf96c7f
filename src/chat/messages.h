// The messages of a chat, and templates for checkpoints that have none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/json.h"

namespace inference {

// An array of objects, each with a string `role`; whatever else they hold is the template's matter.
// Fails with ARG, naming index and field.
OrderedJson ParseMessages(std::string_view json);

// The source of a built-in style; nothing for another name.
//   gemma         turns of user and model; a system message is a turn of the user's
//   gemma-system  the same, with the system message as "[System: ...]", and without other roles
//   chatml        <|im_start|>ROLE ... <|im_end|>
//   llama3        <|start_header_id|>ROLE<|end_header_id|> ... <|eot_id|>
//   plain         the contents, joined by newlines
std::optional<std::string> BuiltinTemplate(std::string_view name);
std::string BuiltinNames();  // "gemma, gemma-system, ..."

}  // namespace inference
