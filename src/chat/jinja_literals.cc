#include "chat/jinja_literals.h"

#include <algorithm>
#include <charconv>

#include "chat/jinja_fault.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

bool IsDigitAt(std::string_view source, size_t at) {
  return at < source.size() && source[at] >= '0' && source[at] <= '9';
}

// Past the digits at `at`, which may have single underscores between them.
size_t DigitsEnd(std::string_view source, size_t at) {
  while (IsDigitAt(source, at) || (at < source.size() && source[at] == '_' &&
                                   IsDigitAt(source, at - 1) && IsDigitAt(source, at + 1))) {
    ++at;
  }
  return at;
}

// Past the fraction and exponent of a number whose integer part ends at `at`; `at` where it has
// none.
size_t FloatEnd(std::string_view source, size_t at) {
  if (at < source.size() && source[at] == '.' && IsDigitAt(source, at + 1)) {
    at = DigitsEnd(source, at + 1);
  }
  if (at < source.size() && (source[at] == 'e' || source[at] == 'E')) {
    const bool sign = at + 1 < source.size() && (source[at + 1] == '+' || source[at + 1] == '-');
    const size_t digits = at + (sign ? 2 : 1);
    if (IsDigitAt(source, digits)) at = DigitsEnd(source, digits);
  }
  return at;
}

int BaseOf(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return 10;
  const bool digit = std::string_view("0123456789abcdefABCDEF_").find(text[2]) != text.npos;
  const char mark = digit ? static_cast<char>(text[1] | 0x20) : '\0';
  return mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
}

Token ReadInteger(std::string_view source, size_t at) {
  const int base = BaseOf(source.substr(at));
  const size_t begin = base == 10 ? at : at + 2;
  size_t end = DigitsEnd(source, at);
  if (base != 10) {
    end = std::min(source.find_first_not_of("0123456789abcdefABCDEF_", begin), source.size());
  } else if (source[at] == '0') {
    end = std::min(end, source.find_first_not_of("0_", at));
  }
  std::string digits(source.substr(begin, end - begin));
  std::erase(digits, '_');
  Token token{TokenKind::kInteger, at, source.substr(at, end - at)};
  const char* last = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), last, token.integer, base);
  if (error != std::errc() || rest != last) {
    RaiseAt(at, "number {} is no 64-bit integer", Quote(token.text));
  }
  return token;
}

// Resolves the escape at body[i], a backslash, and steps over it.
void AppendEscape(std::string& out, std::string_view body, size_t& i, size_t offset) {
  static constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
  const char c = body[i + 1];
  i += 2;
  if (c == '\n') return;
  if (const size_t simple = kFrom.find(c); simple != std::string_view::npos) {
    out += kTo[simple];
    return;
  }
  const bool octal = c >= '0' && c <= '7';
  size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (octal) {
    --i;
    digits = std::min<size_t>(3, std::min(body.find_first_not_of("01234567", i), body.size()) - i);
  }
  if (digits == 0) {
    out += '\\';
    out += c;
    return;
  }
  uint32_t code_point = 0;
  const char* first = body.data() + i;
  const char* last = first + std::min(digits, body.size() - i);
  const auto [rest, error] = std::from_chars(first, last, code_point, octal ? 8 : 16);
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (error != std::errc() || rest != first + digits || code_point > 0x10FFFF || surrogate) {
    RaiseAt(offset, "string has a bad \\{} escape", c);
  }
  AppendUtf8(out, code_point);
  i += digits;
}

}  // namespace

Token ReadNumber(std::string_view source, size_t at) {
  const size_t whole = DigitsEnd(source, at);
  const size_t end = FloatEnd(source, whole);
  const bool after_dot = at > 0 && source[at - 1] == '.';  // digits there are an index: a.0.1
  if (end == whole || after_dot) return ReadInteger(source, at);
  std::string digits(source.substr(at, end - at));
  std::erase(digits, '_');
  Token token{TokenKind::kFloat, at, source.substr(at, end - at)};
  const auto [rest, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), token.number);
  if (error != std::errc()) RaiseAt(at, "number {} is out of range", Quote(digits));
  return token;
}

std::string Unescape(std::string_view body, size_t offset) {
  std::string text;
  for (size_t i = 0; i < body.size();) {
    if (body[i] == '\\') {
      AppendEscape(text, body, i, offset + i);
    } else {
      text += body[i++];
    }
  }
  return text;
}

}  // namespace inference::jinja
