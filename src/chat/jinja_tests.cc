#include "chat/jinja_tests.h"

#include "chat/jinja_args.h"
#include "chat/jinja_ast.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

template <bool (*Test)(const Value&)>
bool Plain(Runtime&, const Value& value, const Args& args) {
  Bound(args, "test", {});
  return Test(value);
}

bool IsDefined(const Value& v) { return !v.IsUndefined(); }
bool IsUndefined(const Value& v) { return v.IsUndefined(); }
bool IsNone(const Value& v) { return v.IsNone(); }
bool IsString(const Value& v) { return v.IsString(); }
bool IsNumber(const Value& v) { return v.IsNumber(); }
bool IsInteger(const Value& v) { return v.kind() == Kind::kInt; }
bool IsFloat(const Value& v) { return v.kind() == Kind::kFloat; }
bool IsBoolean(const Value& v) { return v.kind() == Kind::kBool; }
bool IsTrueItself(const Value& v) { return IsBoolean(v) && v.boolean(); }
bool IsFalseItself(const Value& v) { return IsBoolean(v) && !v.boolean(); }
bool IsMapping(const Value& v) { return v.kind() == Kind::kDict; }

bool IsIterable(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kDict:
    case Kind::kLoop:
      return true;
    default:
      return false;
  }
}

bool IsSequence(const Value& v) {  // has a length and items, as a mapping also does
  if (v.kind() != Kind::kList) return v.IsUndefined() || v.IsString() || IsMapping(v);
  const Sequence sequence = v.list()->sequence;
  return sequence == Sequence::kList || sequence == Sequence::kTuple ||
         sequence == Sequence::kRange;
}

bool IsCallable(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kMacro:
    case Kind::kLoop:
    case Kind::kBuiltin:
    case Kind::kMethod:
    case Kind::kJoiner:
      return true;
    default:
      return false;
  }
}

bool IsEscaped(const Value& v) { return v.IsMarkup(); }

template <int64_t kRest>
bool HasParity(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, kRest == 0 ? "even" : "odd", {});
  const Value rest = Arithmetic(runtime, Op::kModulo, value, Value(int64_t{2}));
  return Equals(runtime, rest, Value(kRest));
}

bool IsDivisible(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "divisibleby", {"num"}, 1);
  const Value rest = Arithmetic(runtime, Op::kModulo, value, bound.At(0));
  return Equals(runtime, rest, Value(int64_t{0}));
}

template <Op kOp>
bool Compares(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "comparison", {"other"}, 1);
  return Compare(runtime, kOp, value, bound.At(0));
}

bool IsSame(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "sameas", {"other"}, 1);
  const Value other = bound.At(0);
  if (value.kind() != other.kind()) return false;
  if (value.kind() == Kind::kList) return value.list() == other.list();
  if (value.kind() == Kind::kDict) return value.dict() == other.dict();
  return Equals(runtime, value, other);
}

template <bool (*Test)(std::string_view)>
bool HasCase(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "test", {});
  return Test(Str(runtime, value));
}

bool NamesFilter(Runtime&, const Value& value, const Args&) {
  return value.IsString() && FindFilter(value.text()) != nullptr;
}

bool NamesTest(Runtime&, const Value& value, const Args&) {
  return value.IsString() && FindTest(value.text()) != nullptr;
}

constexpr TestInfo kTests[] = {
    {"defined", Plain<IsDefined>},
    {"undefined", Plain<IsUndefined>},
    {"none", Plain<IsNone>},
    {"string", Plain<IsString>},
    {"number", Plain<IsNumber>},
    {"integer", Plain<IsInteger>},
    {"float", Plain<IsFloat>},
    {"boolean", Plain<IsBoolean>},
    {"true", Plain<IsTrueItself>},
    {"false", Plain<IsFalseItself>},
    {"mapping", Plain<IsMapping>},
    {"iterable", Plain<IsIterable>},
    {"sequence", Plain<IsSequence>},
    {"callable", Plain<IsCallable>},
    {"escaped", Plain<IsEscaped>},
    {"odd", HasParity<1>},
    {"even", HasParity<0>},
    {"divisibleby", IsDivisible},
    {"in", Compares<Op::kIn>},
    {"==", Compares<Op::kEqual>},
    {"eq", Compares<Op::kEqual>},
    {"equalto", Compares<Op::kEqual>},
    {"!=", Compares<Op::kNotEqual>},
    {"ne", Compares<Op::kNotEqual>},
    {">", Compares<Op::kGreater>},
    {"gt", Compares<Op::kGreater>},
    {"greaterthan", Compares<Op::kGreater>},
    {">=", Compares<Op::kGreaterEqual>},
    {"ge", Compares<Op::kGreaterEqual>},
    {"<", Compares<Op::kLess>},
    {"lt", Compares<Op::kLess>},
    {"lessthan", Compares<Op::kLess>},
    {"<=", Compares<Op::kLessEqual>},
    {"le", Compares<Op::kLessEqual>},
    {"sameas", IsSame},
    {"lower", HasCase<IsLowerText>},
    {"upper", HasCase<IsUpperText>},
    {"filter", NamesFilter},
    {"test", NamesTest},
};

}  // namespace

const TestInfo* FindTest(std::string_view name) {
  for (const TestInfo& test : kTests) {
    if (test.name == name) return &test;
  }
  return nullptr;
}

}  // namespace inference::jinja
