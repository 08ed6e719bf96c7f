// "..." % values and "...".format(values).
#pragma once

#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

Value PercentFormat(Runtime& runtime, std::string_view format, const Value& values);
// Fields {}, {0} and {name}; conversions and format specifications are not supported.
Value BraceFormat(Runtime& runtime, std::string_view format, const Args& args);

}  // namespace inference::jinja
