// Filters on numbers.
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_float_digits.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

// The digits of Python's int("...") and float("..."): trimmed, with single underscores taken out.
std::optional<std::string> CleanDigits(std::string_view text) {
  text = StripRight(StripLeft(text));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto digit = [&](size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '9';
    };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  return out;
}

std::optional<int64_t> ParseInteger(std::string_view text, int base) {
  std::optional<std::string> digits = CleanDigits(text);
  if (!digits) return std::nullopt;
  if (digits->starts_with('+')) {
    digits->erase(0, 1);
    if (digits->starts_with('-')) return std::nullopt;
  }
  const size_t sign = digits->starts_with('-') ? 1 : 0;
  if (base == 16 || base == 8 || base == 2) {
    const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : "0b";
    if (Lower(digits->substr(sign, 2)) == prefix) digits->erase(sign, 2);
  }
  int64_t value = 0;
  const char* last = digits->data() + digits->size();
  const auto [rest, error] = std::from_chars(digits->data(), last, value, base);
  if (error == std::errc::result_out_of_range) Raise("integer beyond 64 bits");
  if (error != std::errc() || rest != last) return std::nullopt;
  return value;
}

std::optional<double> ParseFloat(std::string_view text) {
  std::optional<std::string> digits = CleanDigits(text);
  if (!digits) return std::nullopt;
  if (digits->starts_with('+')) {
    digits->erase(0, 1);
    if (digits->starts_with('-')) return std::nullopt;
  }
  if (digits->find('(') != std::string::npos) return std::nullopt;  // from_chars reads nan(...)
  double value = 0;
  const char* last = digits->data() + digits->size();
  const auto [rest, error] = std::from_chars(digits->data(), last, value);
  if (error != std::errc() || rest != last) return std::nullopt;
  return value;
}

std::optional<int64_t> Truncated(double value) {
  if (!(std::abs(value) < 9223372036854775808.0)) return std::nullopt;
  return static_cast<int64_t>(value);
}

Value Int(Runtime&, const Value& value, const Args& args) {
  const Bound bound(args, "int", {"default", "base"});
  RequireDefined(value);
  const int64_t base = bound.Integer(1, 10);
  if (base < 2 || base > 36) Raise("int: base is {}, wanted 2..36", base);
  std::optional<int64_t> result;
  if (value.IsString()) {
    result = ParseInteger(value.text(), static_cast<int>(base));
    if (!result) {
      if (const std::optional<double> number = ParseFloat(value.text()))
        result = Truncated(*number);
    }
  } else if (value.IsNumber()) {
    result = value.kind() == Kind::kFloat ? Truncated(value.number()) : value.integer();
  }
  if (result) return Value(*result);
  return bound.Has(0) ? bound.At(0) : Value(int64_t{0});
}

Value Float(Runtime&, const Value& value, const Args& args) {
  const Bound bound(args, "float", {"default"});
  RequireDefined(value);
  if (value.IsNumber()) return Value(value.number());
  if (value.IsString()) {
    if (const std::optional<double> number = ParseFloat(value.text())) return Value(*number);
  }
  return bound.Has(0) ? bound.At(0) : Value(0.0);
}

Value Abs(Runtime&, const Value& value, const Args& args) {
  Bound(args, "abs", {});
  RequireDefined(value);
  if (!value.IsNumber()) Raise("bad operand type for abs(): '{}'", TypeName(value));
  if (value.kind() == Kind::kFloat) return Value(std::abs(value.number()));
  return value.integer() < 0 ? Negate(value, /*minus=*/true) : Value(value.integer());
}

// Python's round(): half to even on the exact decimal value.
double RoundHalfEven(double value, int64_t precision) {
  if (precision > 300 || !std::isfinite(value)) return value;
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    return std::isinf(scale) ? 0.0 : std::nearbyint(value / scale) * scale;
  }
  const std::string digits =
      FloatDigits(std::abs(value), 'f', /*alternate=*/false, static_cast<int>(precision));
  double rounded = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  return std::copysign(rounded, value);
}

Value Round(Runtime&, const Value& value, const Args& args) {
  const Bound bound(args, "round", {"precision", "method"});
  RequireDefined(value);
  if (!value.IsNumber()) Raise("round: value is of type '{}', wanted a number", TypeName(value));
  const int64_t precision = bound.Integer(0, 0);
  const std::string_view method = bound.Text(1, "common");
  if (method == "common") {
    if (value.kind() != Kind::kFloat && precision >= 0) return Value(value.integer());
    return Value(RoundHalfEven(value.number(), precision));
  }
  if (method != "ceil" && method != "floor") Raise("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

constexpr FilterInfo kNumberFilters[] = {
    {"int", Int}, {"float", Float}, {"abs", Abs}, {"round", Round}};

}  // namespace

const FilterInfo* FindNumberFilter(std::string_view name) {
  for (const FilterInfo& filter : kNumberFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

}  // namespace inference::jinja
