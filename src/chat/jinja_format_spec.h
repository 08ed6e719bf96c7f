// Python's format(value, spec).
#pragma once

#include <string>
#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

// [[fill]align][sign][#][0][width][,|_][.precision][type]. Raises where Python raises, and "not
// supported" for what is left out.
std::string FormatValue(Runtime& runtime, const Value& value, std::string_view spec);

}  // namespace inference::jinja
