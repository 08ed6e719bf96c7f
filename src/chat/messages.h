// The messages of a chat, and templates for checkpoints that have none.
#pragma once

#include <string_view>

#include "formats/json.h"

namespace inference {

// An array of objects, each with a string `role`; whatever else they hold is the template's matter.
// Fails with ARG, naming index and field.
OrderedJson ParseMessages(std::string_view json);

// The source of a built-in template: "gemma", "chatml", "llama3" or "plain" (the contents joined by
// newlines); null for another name.
const char* BuiltinTemplate(std::string_view name);

}  // namespace inference
