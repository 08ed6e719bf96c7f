#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

// Exact also where an integer has no double of its own (x87 and quad long doubles hold every
// int64).
bool NumbersEqual(const Value& a, const Value& b) {
  if (a.kind() != Kind::kFloat && b.kind() != Kind::kFloat) return a.integer() == b.integer();
  const auto wide = [](const Value& v) {
    return v.kind() == Kind::kFloat ? static_cast<long double>(v.number())
                                    : static_cast<long double>(v.integer());
  };
  return wide(a) == wide(b);
}

template <typename T>
bool Ordered(Op op, const T& a, const T& b) {
  switch (op) {
    case Op::kLess:
      return a < b;
    case Op::kLessEqual:
      return a <= b;
    case Op::kGreater:
      return a > b;
    default:
      return a >= b;
  }
}

bool Order(Runtime& runtime, Op op, const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  if (a.IsNumber() && b.IsNumber()) {
    if (a.kind() != Kind::kFloat && b.kind() != Kind::kFloat) {
      return Ordered(op, a.integer(), b.integer());
    }
    return Ordered(op, a.number(), b.number());
  }
  if (a.IsString() && b.IsString()) {  // UTF-8 sorts as its code points do
    runtime.ChargeText(std::min(a.text().size(), b.text().size()));
    return Ordered(op, a.text(), b.text());
  }
  const bool lists =
      a.kind() == Kind::kList && b.kind() == Kind::kList &&
      a.list()->sequence == b.list()->sequence &&
      (a.list()->sequence == Sequence::kList || a.list()->sequence == Sequence::kTuple);
  if (!lists) {
    constexpr std::string_view kSymbols[] = {"<", "<=", ">", ">="};
    Raise("'{}' not supported between instances of '{}' and '{}'",
          kSymbols[static_cast<int>(op) - static_cast<int>(Op::kLess)], TypeName(a), TypeName(b));
  }
  const std::vector<Value>&x = a.list()->items, &y = b.list()->items;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
    if (Equals(runtime, x[i], y[i])) continue;
    const DepthGuard guard(runtime.depth);
    return Order(runtime, op, x[i], y[i]);
  }
  return Ordered(op, x.size(), y.size());
}

bool ListsEqual(Runtime& runtime, const List* a, const List* b, int depth) {
  if (a == b) return true;
  if (a->sequence != b->sequence || a->sequence == Sequence::kGenerator ||
      a->items.size() != b->items.size()) {
    return false;
  }
  for (size_t i = 0; i < a->items.size(); ++i) {
    if (!Equals(runtime, a->items[i], b->items[i], depth)) return false;
  }
  return true;
}

bool DictsEqual(Runtime& runtime, const Dict* a, const Dict* b, int depth) {
  if (a == b) return true;
  if (a->entries.size() != b->entries.size()) return false;
  for (const auto& [key, value] : a->entries) {
    const Value* other = FindKey(runtime, *b, key);
    if (other == nullptr || !Equals(runtime, value, *other, depth)) return false;
  }
  return true;
}

void RequireHashable(const Value& key) {
  const bool list = key.kind() == Kind::kList && key.list()->sequence == Sequence::kList;
  if (list || key.kind() == Kind::kDict) Raise("unhashable type: '{}'", TypeName(key));
}

}  // namespace

bool Equals(Runtime& runtime, const Value& a, const Value& b, int depth) {
  runtime.Charge(1);
  if (depth > kMaxDepth) Raise("depth > {}", kMaxDepth);
  if (a.IsNumber() && b.IsNumber()) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNone:
    case Kind::kUndefined:
      return true;
    case Kind::kString:
      if (a.text().size() != b.text().size()) return false;
      runtime.ChargeText(a.text().size());
      return a.text() == b.text();
    case Kind::kList:
      return ListsEqual(runtime, a.list(), b.list(), depth + 1);
    case Kind::kDict:
      return DictsEqual(runtime, a.dict(), b.dict(), depth + 1);
    case Kind::kSpace:
      return a.Get<Space*>() == b.Get<Space*>();
    case Kind::kMacro:
      return a.Get<Macro*>() == b.Get<Macro*>();
    case Kind::kLoop:
      return a.Get<Loop*>() == b.Get<Loop*>();
    case Kind::kBuiltin:
      return a.Get<const Builtin*>() == b.Get<const Builtin*>();
    case Kind::kCycler:
      return a.Get<Cycler*>() == b.Get<Cycler*>();
    case Kind::kJoiner:
      return a.Get<Joiner*>() == b.Get<Joiner*>();
    default:
      return false;
  }
}

bool Compare(Runtime& runtime, Op op, const Value& a, const Value& b) {
  switch (op) {
    case Op::kEqual:
      return Equals(runtime, a, b);
    case Op::kNotEqual:
      return !Equals(runtime, a, b);
    case Op::kIn:
      return Contains(runtime, b, a);
    case Op::kNotIn:
      return !Contains(runtime, b, a);
    default:
      return Order(runtime, op, a, b);
  }
}

bool Contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.IsString()) {
    RequireDefined(item);
    if (!item.IsString()) {
      Raise("'in <string>' requires string as left operand, not {}", TypeName(item));
    }
    runtime.ChargeText(container.text().size());
    return FindText(container.text(), item.text()) != std::string_view::npos;
  }
  if (container.kind() == Kind::kDict) return FindKey(runtime, *container.dict(), item) != nullptr;
  if (container.kind() != Kind::kList && !container.IsUndefined()) {
    Raise("argument of type '{}' is not iterable", TypeName(container));
  }
  for (const Value& other : Iterate(runtime, container)) {
    if (Equals(runtime, other, item)) return true;
  }
  return false;
}

const std::vector<Value>& Iterate(Runtime& runtime, const Value& value) {
  if (value.kind() == Kind::kList) {
    List* list = value.list();
    if (list->sequence != Sequence::kGenerator) return list->items;
    if (list->consumed) return runtime.NewList()->items;
    list->consumed = true;
    return list->items;
  }
  List* items = nullptr;
  switch (value.kind()) {
    case Kind::kUndefined:
      return runtime.NewList()->items;
    case Kind::kString: {
      items = runtime.NewList();
      const std::string_view text = value.text();
      for (size_t at = 0; at < text.size();) {
        const size_t length = CharLength(text, at);
        runtime.Append(items, Value(text.substr(at, length)));
        at += length;
      }
      return items->items;
    }
    case Kind::kDict:
      items = runtime.NewList();
      for (const auto& [key, unused] : value.dict()->entries) runtime.Append(items, key);
      return items->items;
    default:
      Raise("'{}' object is not iterable", TypeName(value));
  }
}

const Value* FindKey(Runtime& runtime, const Dict& dict, const Value& key) {
  RequireHashable(key);
  runtime.Charge(dict.entries.size() / 16);
  for (const auto& [other, value] : dict.entries) {
    if (key.IsString() ? other.IsString() && other.text() == key.text()
                       : Equals(runtime, other, key)) {
      return &value;
    }
  }
  return nullptr;
}

void SetKey(Runtime& runtime, Dict* dict, const Value& key, const Value& value) {
  if (const Value* old = FindKey(runtime, *dict, key)) {
    *const_cast<Value*>(old) = value;  // the dict is ours
    return;
  }
  runtime.Charge(1);
  dict->entries.emplace_back(key, value);
}

}  // namespace inference::jinja
