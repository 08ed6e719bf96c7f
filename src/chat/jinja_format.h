// "..." % values and "...".format(values).
#pragma once

#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

Value PercentFormat(Runtime& runtime, std::string_view format, const Value& values);
// As Jinja's sandbox runs it: {0.name[key]!r:>8}; widths and precisions up to 10,000.
Value BraceFormat(Runtime& runtime, std::string_view format, const Args& args);

}  // namespace inference::jinja
