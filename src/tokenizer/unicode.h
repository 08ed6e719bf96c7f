// Character classes as Rust's char methods and the tokenizers' regular expressions define them.
#pragma once

#include <cstdint>

namespace inference {

bool IsWhiteSpace(uint32_t code_point);      // the property White_Space
bool IsNumeric(uint32_t code_point);         // Nd, Nl, No
bool IsPunctuation(uint32_t code_point);     // P, and the ASCII symbols
bool IsMark(uint32_t code_point);            // Mn, Mc, Me
bool IsNonSpacingMark(uint32_t code_point);  // Mn
bool IsOther(uint32_t code_point);           // Cc, Cf, Co, Cs; not those that are not assigned
// \w of Rust's regex: Alphabetic, marks, Nd, Pc, and the two joiners.
bool IsWordChar(uint32_t code_point);

}  // namespace inference
