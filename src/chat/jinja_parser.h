// Tokens to a Program, by Jinja's own grammar (jinja2/parser.py).
#pragma once

#include <memory>
#include <string_view>

#include "chat/jinja_ast.h"

namespace inference::jinja {

// Raises Fault with the offset in Program::source. `source` is valid UTF-8.
// On return the Program is complete and never changes.
void ParseProgram(Program& program);

}  // namespace inference::jinja
