#include "tokenizer/lossy_utf8.h"

#include <algorithm>

#include "util/utf8.h"

namespace inference {

namespace {

// Bytes at `at` that begin a code point and are then broken off: 1 to 3; `at` holds no valid one.
size_t MaximalSubpart(std::string_view text, size_t at) {
  for (size_t length = std::min<size_t>(3, text.size() - at); length > 1; --length) {
    if (IncompleteUtf8Tail(text.substr(at, length)) == length) return length;
  }
  return 1;
}

}  // namespace

std::string LossyUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (c.valid) {
      out.append(text, at, c.length);
      at += c.length;
    } else {
      AppendUtf8(out, 0xFFFD);
      at += MaximalSubpart(text, at);
    }
  }
  return out;
}

}  // namespace inference
