// The functions that every template can call.
#pragma once

#include <string_view>

#include "chat/jinja_value.h"

namespace inference::jinja {

const Builtin* FindGlobal(std::string_view name);  // null where unknown

// Raises for a namespace's attribute that begins with '_', as transformers' own namespace does.
void RequirePublicName(std::string_view attribute);

}  // namespace inference::jinja
