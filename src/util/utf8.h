// UTF-8, one code point at a time (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace inference {

struct Utf8Char {
  uint32_t code_point;  // U+FFFD where not valid
  uint32_t length;      // bytes to step over: 1 where not valid
  bool valid;
};

// The code point that starts at `at`; at < text.size().
Utf8Char DecodeUtf8(std::string_view text, size_t at);

void AppendUtf8(std::string& out, uint32_t code_point);

bool IsValidUtf8(std::string_view text);

// Bytes at the end of `text` that begin a code point but do not finish it (0 to 3).
size_t IncompleteUtf8Tail(std::string_view text);

}  // namespace inference
