#include <cmath>

#include "chat/jinja_fault.h"
#include "chat/jinja_format.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

[[noreturn]] void BadOperands(Op op, const Value& left, const Value& right) {
  Raise("unsupported operand type(s) for {}: '{}' and '{}'", kSymbols[static_cast<int>(op)],
        TypeName(left), TypeName(right));
}

[[noreturn]] void Overflow() { Raise("integer beyond 64 bits"); }

int64_t FloorDivide(int64_t a, int64_t b) {
  if (a == INT64_MIN && b == -1) Overflow();
  const int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

double FloorModulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

int64_t IntegerPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) Overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) Overflow();
  }
  return result;
}

Value IntegerArithmetic(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if ((op == Op::kFloorDivide || op == Op::kModulo) && b == 0) Raise("division by zero");
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Op::kFloorDivide:
      result = FloorDivide(a, b);
      break;
    case Op::kModulo:
      result = b == -1 ? 0 : a % b;
      if (result != 0 && (result < 0) != (b < 0)) result += b;
      break;
    default:
      result = IntegerPower(a, b);
      break;
  }
  if (overflow) Overflow();
  return Value(result);
}

Value FloatArithmetic(Op op, double a, double b) {
  const bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
  if (divides && b == 0) Raise("division by zero");
  switch (op) {
    case Op::kAdd:
      return Value(a + b);
    case Op::kSubtract:
      return Value(a - b);
    case Op::kMultiply:
      return Value(a * b);
    case Op::kDivide:
      return Value(a / b);
    case Op::kFloorDivide:
      return Value(std::floor(a / b));
    case Op::kModulo:
      return Value(FloorModulo(a, b));
    default:
      break;
  }
  if (a == 0 && b < 0) Raise("0.0 cannot be raised to a negative power");
  if (a < 0 && b != std::floor(b)) Raise("power of a negative number is not real");
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) Raise("result too large");
  return Value(result);
}

Value Repeat(Runtime& runtime, const Value& value, int64_t times) {
  const uint64_t count = times > 0 ? static_cast<uint64_t>(times) : 0;
  if (value.IsString()) {
    const std::string_view unit = value.text();
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(uint64_t{unit.size()}, count, &bytes) || bytes > kMaxTextBytes) {
      Raise("text of more than {} bytes", kMaxTextBytes);
    }
    std::string out;
    out.reserve(bytes);
    for (uint64_t i = 0; i < count && !unit.empty(); ++i) out += unit;
    return runtime.Text(std::move(out));
  }
  List* out = runtime.NewList(value.list()->sequence);
  for (uint64_t i = 0; i < count && !value.list()->items.empty(); ++i) {
    for (const Value& item : value.list()->items) runtime.Append(out, item);
  }
  return Value(out);
}

Value Concatenate(Runtime& runtime, const Value& left, const Value& right) {
  const bool markup = left.IsMarkup() || right.IsMarkup();
  const auto part = [&](const Value& value) {
    return markup && !value.IsMarkup() ? runtime.Keep(EscapeHtml(value.text())) : value.text();
  };
  const std::string_view first = part(left), second = part(right);
  std::string out;
  out.reserve(first.size() + second.size());
  out.append(first).append(second);
  return markup ? Value(Markup{runtime.Keep(std::move(out))}) : runtime.Text(std::move(out));
}

bool IsPlainSequence(const Value& value) {
  return value.kind() == Kind::kList &&
         (value.list()->sequence == Sequence::kList || value.list()->sequence == Sequence::kTuple);
}

}  // namespace

Value Arithmetic(Runtime& runtime, Op op, const Value& left, const Value& right) {
  const bool format = op == Op::kModulo && left.IsString();
  if (!format) {
    RequireDefined(left);
    RequireDefined(right);
  }
  if (left.IsNumber() && right.IsNumber()) {
    const bool integers = left.kind() != Kind::kFloat && right.kind() != Kind::kFloat;
    const bool fraction = op == Op::kDivide || (op == Op::kPower && right.number() < 0);
    if (integers && !fraction) return IntegerArithmetic(op, left.integer(), right.integer());
    return FloatArithmetic(op, left.number(), right.number());
  }
  if (op == Op::kAdd) {
    if (left.IsString() && right.IsString()) return Concatenate(runtime, left, right);
    if (left.IsString()) {
      Raise("can only concatenate str (not \"{}\") to str", TypeName(right));
    }
    if (IsPlainSequence(left) && IsPlainSequence(right) &&
        left.list()->sequence == right.list()->sequence) {
      List* out = runtime.NewList(left.list()->sequence);
      for (const Value& item : left.list()->items) runtime.Append(out, item);
      for (const Value& item : right.list()->items) runtime.Append(out, item);
      return Value(out);
    }
  }
  if (op == Op::kMultiply) {
    const auto repeats = [](const Value& value, const Value& times) {
      return (value.IsString() || IsPlainSequence(value)) &&
             (times.kind() == Kind::kInt || times.kind() == Kind::kBool);
    };
    if (repeats(left, right)) return Repeat(runtime, left, right.integer());
    if (repeats(right, left)) return Repeat(runtime, right, left.integer());
  }
  if (format) return PercentFormat(runtime, left.text(), right);
  BadOperands(op, left, right);
}

Value Negate(const Value& value, bool minus) {
  RequireDefined(value);
  if (value.kind() == Kind::kFloat) return Value(minus ? -value.number() : value.number());
  if (!value.IsNumber()) {
    Raise("bad operand type for unary {}: '{}'", minus ? '-' : '+', TypeName(value));
  }
  if (minus && value.integer() == INT64_MIN) Overflow();
  return Value(minus ? -value.integer() : value.integer());
}

}  // namespace inference::jinja
