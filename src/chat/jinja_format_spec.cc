#include "chat/jinja_format_spec.h"

#include <algorithm>
#include <cmath>

#include "chat/jinja_fault.h"
#include "chat/jinja_float_digits.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

constexpr int kMaxWidth = 10'000;

struct FormatSpec {
  std::string_view fill = " ";  // one code point
  char align = 0;               // of "<>=^"; 0: by type
  char sign = 0;                // of "+- "
  bool alternate = false;
  int width = 0;
  char group = 0;
  int precision = -1;  // absent
  char type = 0;
};

class SpecReader {
 public:
  explicit SpecReader(std::string_view spec) : spec_(spec), rest_(spec) {}

  FormatSpec Read() {
    FormatSpec out;
    bool fill_given = false;
    const size_t fill = rest_.empty() ? 0 : CharLength(rest_, 0);
    if (fill < rest_.size() && IsAlign(rest_[fill])) {
      out.fill = rest_.substr(0, fill);
      out.align = rest_[fill];
      fill_given = true;
      rest_.remove_prefix(fill + 1);
    } else if (!rest_.empty() && IsAlign(rest_[0])) {
      out.align = Take();
    }
    if (Next("+- ")) out.sign = Take();
    if (Next("#")) out.alternate = Take() == '#';
    if (Next("0")) {
      Take();
      if (!fill_given) out.fill = "0";
      if (out.align == 0) out.align = '0';  // '=' for numbers, '<' for text
    }
    if (Next("123456789")) out.width = Number();
    if (Next(",_")) out.group = Take();
    if (Next(".")) {
      Take();
      if (!Next("0123456789")) Raise("Format specifier missing precision");
      out.precision = Number();
    }
    if (!rest_.empty()) out.type = Take();
    if (!rest_.empty()) Raise("Invalid format specifier {}", QuoteLikePython(spec_));
    return out;
  }

 private:
  static bool IsAlign(char c) { return std::string_view("<>=^").find(c) != std::string_view::npos; }
  bool Next(std::string_view any) const { return !rest_.empty() && any.find(rest_[0]) != any.npos; }
  char Take() {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  int Number() {
    int number = 0;
    while (Next("0123456789")) {
      number = number * 10 + (Take() - '0');
      if (number > kMaxWidth) Raise("format width or precision above {}", kMaxWidth);
    }
    return number;
  }

  std::string_view spec_, rest_;
};

std::string Repeated(std::string_view fill, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += fill;
  return out;
}

// `head` is a sign and prefix: '=' pads after it.
std::string Padded(const FormatSpec& spec, char align, const std::string& head,
                   const std::string& body) {
  const size_t chars = CountChars(head) + CountChars(body);
  const auto width = static_cast<size_t>(spec.width);
  const size_t missing = width > chars ? width - chars : 0;
  if (align == '<') return head + body + Repeated(spec.fill, missing);
  if (align == '>') return Repeated(spec.fill, missing) + head + body;
  if (align == '=') return head + Repeated(spec.fill, missing) + body;
  return Repeated(spec.fill, missing / 2) + head + body +
         Repeated(spec.fill, missing - missing / 2);
}

// `digits` with a separator at every `step` digits of its integer part.
std::string Grouped(std::string digits, char separator, size_t step) {
  size_t end = digits.find_first_not_of("0123456789abcdefABCDEF");
  if (digits.find_first_of("eE.") < end) end = digits.find_first_of("eE.");
  for (size_t at = std::min(end, digits.size()); at > step;) {
    at -= step;
    digits.insert(at, 1, separator);
  }
  return digits;
}

std::string FormatText(const FormatSpec& spec, std::string_view text) {
  if (spec.type != 0 && spec.type != 's') {
    Raise("Unknown format code '{}' for object of type 'str'", spec.type);
  }
  if (spec.sign != 0 || spec.alternate || spec.group != 0 || spec.align == '=') {
    Raise("Sign, '#', ',' or '=' not allowed in string format specifier");
  }
  if (spec.precision >= 0) {
    text = text.substr(0, OffsetOfChar(text, static_cast<size_t>(spec.precision)));
  }
  const char align = spec.align == 0 || spec.align == '0' ? '<' : spec.align;
  return Padded(spec, align, "", std::string(text));
}

std::string FormatNumber(const FormatSpec& spec, bool negative, const std::string& prefix,
                         std::string digits, size_t group_step) {
  const char align = spec.align == 0 ? '>' : spec.align == '0' ? '=' : spec.align;
  if (spec.group != 0 && spec.type == 'n') Raise("Cannot specify '{}' with 'n'.", spec.group);
  if (spec.group != 0) {
    if (align == '=' && spec.fill == "0") {
      Raise("format: zeros in front of grouped digits are not supported");
    }
    digits = Grouped(std::move(digits), spec.group, group_step);
  }
  const std::string sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  return Padded(spec, align, sign + prefix, digits);
}

std::string FormatInteger(const FormatSpec& spec, int64_t number) {
  if (spec.precision >= 0) Raise("Precision not allowed in integer format specifier");
  const bool negative = number < 0;
  const uint64_t size =
      negative ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  const bool decimal = spec.type == 0 || spec.type == 'd' || spec.type == 'n';
  if (spec.type == 'c') Raise("format type 'c' is not supported");
  if (spec.group == ',' && !decimal) Raise("Cannot specify ',' with '{}'.", spec.type);
  const std::string prefix =
      spec.alternate && !decimal ? std::string("0") + spec.type : std::string();
  std::string digits;
  switch (spec.type) {
    case 'b':
      digits = fmt::format("{:b}", size);
      break;
    case 'o':
      digits = fmt::format("{:o}", size);
      break;
    case 'x':
      digits = fmt::format("{:x}", size);
      break;
    case 'X':
      digits = fmt::format("{:X}", size);
      break;
    default:
      digits = fmt::format("{}", size);
  }
  return FormatNumber(spec, negative, prefix, std::move(digits), decimal ? 3 : 4);
}

std::string FormatFloat(const FormatSpec& spec, double number) {
  const bool negative = std::signbit(number) && !std::isnan(number);
  const double size = std::abs(number);
  if (spec.type == 0) {
    if (spec.precision >= 0 || spec.alternate) {
      Raise("format: '#' or a precision without a type is not supported");
    }
    return FormatNumber(spec, negative, "", FloatRepr(size), 3);
  }
  const bool percent = spec.type == '%';
  const char type = percent ? 'f' : spec.type == 'n' ? 'g' : spec.type;
  const std::string digits = FloatDigits(percent ? size * 100 : size, type, spec.alternate,
                                         spec.precision < 0 ? 6 : spec.precision);
  return FormatNumber(spec, negative, "", percent ? digits + "%" : digits, 3);
}

}  // namespace

std::string FormatValue(Runtime& runtime, const Value& value, std::string_view spec) {
  if (spec.empty()) return std::string(Str(runtime, value));
  const FormatSpec parsed = SpecReader(spec).Read();
  if (value.IsString()) return FormatText(parsed, value.text());
  if (!value.IsNumber()) {
    Raise("unsupported format string passed to {}.__format__", TypeName(value));
  }
  static constexpr std::string_view kOfFloats = "eEfFgGn%", kOfIntegers = "bcdoxXn";
  const bool whole = value.kind() != Kind::kFloat;
  if (whole && (parsed.type == 0 || kOfIntegers.find(parsed.type) != kOfIntegers.npos)) {
    return FormatInteger(parsed, value.integer());
  }
  if (parsed.type != 0 && kOfFloats.find(parsed.type) == kOfFloats.npos) {
    Raise("Unknown format code '{}' for object of type '{}'", parsed.type, TypeName(value));
  }
  return FormatFloat(parsed, value.number());
}

}  // namespace inference::jinja
