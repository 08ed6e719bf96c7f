// Numbers and strings as they are written in templates.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "chat/jinja_lexer.h"

namespace inference::jinja {

// The number that starts at source[at], a digit: kInteger or kFloat, its text being what it takes.
Token ReadNumber(std::string_view source, size_t at);

// `body` (between the quotes, at `offset` of the source) with Python's escapes resolved; unknown
// ones stay as they are written.
std::string Unescape(std::string_view body, size_t offset);

}  // namespace inference::jinja
