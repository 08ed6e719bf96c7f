// Character classes as Rust's char methods and the tokenizers' regular expressions define them.
#pragma once

#include <cstdint>

namespace inference {

bool IsWhiteSpace(uint32_t code_point);  // the property White_Space
bool IsNumeric(uint32_t code_point);     // Nd, Nl, No
bool IsWordChar(uint32_t code_point);    // letters, marks, numbers of Nd and Nl, connectors

}  // namespace inference
