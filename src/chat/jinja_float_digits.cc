#include "chat/jinja_float_digits.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace inference::jinja {

namespace {

std::string Digits(double size, std::chars_format format, int precision) {
  constexpr size_t kMostBeforePoint = 309, kMarks = 8;  // of 1.8e308; point and exponent
  std::string out(static_cast<size_t>(precision) + kMostBeforePoint + kMarks, '\0');
  char* const begin = out.data();
  out.resize(static_cast<size_t>(
      std::to_chars(begin, begin + out.size(), size, format, precision).ptr - begin));
  return out;
}

int ExponentOf(const std::string& scientific) {
  size_t at = scientific.find('e') + 1;
  if (scientific[at] == '+') ++at;  // from_chars takes no plus
  int exponent = 0;
  std::from_chars(scientific.data() + at, scientific.data() + scientific.size(), exponent);
  return exponent;
}

// std::chars_format::general without its loss of zeros.
std::string GeneralWithZeros(double size, int precision) {
  const int significant = std::max(precision, 1);
  std::string scientific = Digits(size, std::chars_format::scientific, significant - 1);
  const int exponent = ExponentOf(scientific);
  if (exponent < -4 || exponent >= significant) return scientific;
  return Digits(size, std::chars_format::fixed, significant - 1 - exponent);
}

std::string LowerCase(double size, char type, bool alternate, int precision) {
  if (std::isnan(size)) return "nan";
  if (std::isinf(size)) return "inf";
  std::string out;
  if (type == 'f') out = Digits(size, std::chars_format::fixed, precision);
  if (type == 'e') out = Digits(size, std::chars_format::scientific, precision);
  if (type == 'g') {
    out = alternate ? GeneralWithZeros(size, precision)
                    : Digits(size, std::chars_format::general, precision);
  }
  const size_t point = std::min(out.find('e'), out.size());
  if (alternate && out.find('.') == out.npos) out.insert(point, 1, '.');
  return out;
}

}  // namespace

std::string FloatDigits(double size, char type, bool alternate, int precision) {
  const bool upper = type >= 'A' && type <= 'Z';
  std::string out =
      LowerCase(size, static_cast<char>(upper ? type - 'A' + 'a' : type), alternate, precision);
  if (upper) {
    for (char& c : out) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
  }
  return out;
}

}  // namespace inference::jinja
