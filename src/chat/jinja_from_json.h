// The caller's JSON as template values.
#pragma once

#include "chat/jinja_runtime.h"
#include "formats/json.h"

namespace inference::jinja {

// Strings are not copied: `json` outlives the Runtime's rendering.
Value FromJson(Runtime& runtime, const OrderedJson& json);

}  // namespace inference::jinja
