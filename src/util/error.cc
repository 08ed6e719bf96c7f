#include "util/error.h"

#include <cstring>

#include "util/utf8.h"

namespace inference {

void FailErrno(Status status, std::string_view object, std::string_view what, int code) {
  throw Error(status, fmt::format("{}: {}: {}", object, what, std::strerror(code)), Domain::kErrno,
              code);
}

std::string Quote(std::string_view text) {
  constexpr size_t kMaxBytes = 256;
  std::string out = "'";
  size_t at = 0;
  while (at < text.size() && out.size() < kMaxBytes) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (!c.valid || c.code_point < 0x20 || c.code_point == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
      at += 1;
    } else {
      out.append(text, at, c.length);
      at += c.length;
    }
  }
  out += at < text.size() ? "...'" : "'";
  return out;
}

}  // namespace inference
