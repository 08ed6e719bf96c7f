// Floats in the forms of Python's format types, whatever the process's locale is.
#pragma once

#include <string>

namespace inference::jinja {

// `size` >= 0 or NaN, `type` of "eEfFgG", `precision` >= 0. `alternate` ('#') keeps the point, and
// with g the zeros at the end.
std::string FloatDigits(double size, char type, bool alternate, int precision);

}  // namespace inference::jinja
