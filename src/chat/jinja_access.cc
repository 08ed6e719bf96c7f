// Attributes, items and slices.
#include <algorithm>

#include "chat/jinja_fault.h"
#include "chat/jinja_methods.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

std::string ObjectName(const Value& value) {
  return value.IsNone() ? "None" : fmt::format("{} object", TypeName(value));
}

Value Missing(Runtime& runtime, const Value& value, const Value& key) {
  if (key.IsString()) {
    return runtime.UndefinedWith(
        fmt::format("'{}' has no attribute {}", ObjectName(value), QuoteLikePython(key.text())));
  }
  return runtime.UndefinedWith(
      fmt::format("{} has no element {}", ObjectName(value), Repr(runtime, key)));
}

Value Unsafe(Runtime& runtime, const Value& value, std::string_view name) {
  return runtime.UndefinedWith(fmt::format("access to attribute {} of '{}' object is unsafe.",
                                           QuoteLikePython(name), TypeName(value)));
}

// What Python's getattr finds; nothing where there is no such attribute.
std::optional<Value> FindAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  if ((name.starts_with("__") && name.ends_with("__")) || IsMutator(value, name)) {
    return Unsafe(runtime, value, name);
  }
  const bool own = value.kind() == Kind::kSpace && value.Get<Space*>()->is_self;
  if (own && name.starts_with('_')) return Unsafe(runtime, value, name);
  if (value.kind() == Kind::kSpace) {
    for (const auto& [key, attribute] : value.Get<Space*>()->attributes) {
      if (key == name) return attribute;
    }
  }
  if (value.kind() == Kind::kLoop) return LoopAttribute(runtime, *value.Get<Loop*>(), name);
  if (value.kind() == Kind::kMacro) return MacroAttribute(runtime, *value.Get<Macro*>(), name);
  if (value.kind() == Kind::kCycler && name == "current") {
    const Cycler& cycler = *value.Get<Cycler*>();
    return cycler.items[cycler.at];
  }
  if (value.kind() == Kind::kList && value.list()->group) {
    if (name == "grouper") return value.list()->items[0];
    if (name == "list") return value.list()->items[1];
  }
  if (const MethodInfo* method = FindMethod(value, name)) {
    return Value(runtime.NewMethod(value, method));
  }
  if (IsOtherMethod(value, name)) {
    return runtime.UndefinedWith(
        fmt::format("method {} of '{}' is not supported", QuoteLikePython(name), TypeName(value)));
  }
  return std::nullopt;
}

std::optional<Value> FindItem(Runtime& runtime, const Value& value, const Value& key) {
  if (value.kind() == Kind::kDict) {
    const bool hashable = key.kind() != Kind::kDict &&
                          !(key.kind() == Kind::kList && key.list()->sequence == Sequence::kList);
    const Value* found = hashable ? FindKey(runtime, *value.dict(), key) : nullptr;
    return found != nullptr ? std::optional<Value>(*found) : std::nullopt;
  }
  if (key.kind() != Kind::kInt && key.kind() != Kind::kBool) return std::nullopt;
  int64_t index = key.integer();
  if (value.IsString()) {
    const std::string_view text = value.text();
    runtime.ChargeText(text.size());
    if (index < 0) index += LengthOf(value);  // an index below -2^63 cannot be written
    if (index < 0) return std::nullopt;
    const size_t at = OffsetOfChar(text, static_cast<size_t>(index));
    if (at >= text.size()) return std::nullopt;
    return Value(text.substr(at, CharLength(text, at)));
  }
  const bool indexed = value.kind() == Kind::kList && (value.list()->sequence == Sequence::kList ||
                                                       value.list()->sequence == Sequence::kTuple ||
                                                       value.list()->sequence == Sequence::kRange);
  if (!indexed) return std::nullopt;
  const auto size = static_cast<int64_t>(value.list()->items.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return value.list()->items[static_cast<size_t>(index)];
}

// A slice's bound, as slice.indices() computes it: within [low, high].
int64_t Bound(const Value& bound, int64_t fallback, int64_t size, int64_t low, int64_t high) {
  if (bound.IsNone()) return fallback;
  if (bound.kind() != Kind::kInt && bound.kind() != Kind::kBool) {
    RequireDefined(bound);
    Raise("slice indices must be integers or None, not {}", TypeName(bound));
  }
  const int64_t index = bound.integer();
  return std::clamp(index < 0 ? index + size : index, low, high);
}

Value SliceText(Runtime& runtime, const Value& value, int64_t start, int64_t stop) {
  const std::string_view text = value.text();
  runtime.ChargeText(text.size());
  if (start >= stop) return Value(std::string_view());
  const size_t begin = OffsetOfChar(text, static_cast<size_t>(start));
  const std::string_view rest = text.substr(begin);
  return Value(rest.substr(0, OffsetOfChar(rest, static_cast<size_t>(stop - start))));
}

}  // namespace

void RequireDefined(const Value& value) {
  if (value.IsUndefined()) Raise("{}", value.Get<Undefined>().message);
}

Value GetAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  RequireDefined(value);
  if (const std::optional<Value> found = FindAttribute(runtime, value, name)) return *found;
  const Value key(name);
  if (const std::optional<Value> found = FindItem(runtime, value, key)) return *found;
  return Missing(runtime, value, key);
}

Value GetOwnAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  RequireDefined(value);
  const std::optional<Value> found = FindAttribute(runtime, value, name);
  return found ? *found : Missing(runtime, value, Value(name));
}

Value GetItem(Runtime& runtime, const Value& value, const Value& key) {
  RequireDefined(value);
  if (const std::optional<Value> found = FindItem(runtime, value, key)) return *found;
  if (key.IsString()) {
    if (const auto found = FindAttribute(runtime, value, key.text())) return *found;
  }
  return Missing(runtime, value, key);
}

Value GetSlice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
               const Value& step) {
  RequireDefined(value);
  const bool sliceable = value.IsString() || (value.kind() == Kind::kList &&
                                              (value.list()->sequence == Sequence::kList ||
                                               value.list()->sequence == Sequence::kTuple ||
                                               value.list()->sequence == Sequence::kRange));
  if (!sliceable) Raise("'{}' object has no slices", TypeName(value));
  const int64_t size = LengthOf(value);
  const int64_t stride = Bound(step, 1, 0, INT64_MIN, INT64_MAX);
  if (stride == 0) Raise("slice step cannot be zero");
  const bool back = stride < 0;
  const int64_t low = back ? -1 : 0, high = back ? size - 1 : size;
  const int64_t first = Bound(start, back ? high : low, size, low, high);
  const int64_t last = Bound(stop, back ? low : high, size, low, high);
  if (value.IsString() && stride == 1) return SliceText(runtime, value, first, last);

  List* out =
      runtime.NewList(value.kind() == Kind::kList ? value.list()->sequence : Sequence::kList);
  const std::vector<Value>& items = Iterate(runtime, value);
  for (int64_t i = first; back ? i > last : i < last;) {
    runtime.Append(out, items[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (out->sequence == Sequence::kRange) {  // items are start, start + step, ...
    const List& range = *value.list();
    int64_t to_start = 0, to_stop = 0;
    if (__builtin_mul_overflow(first, range.step, &to_start) ||
        __builtin_add_overflow(range.start, to_start, &out->start) ||
        __builtin_mul_overflow(last, range.step, &to_stop) ||
        __builtin_add_overflow(range.start, to_stop, &out->stop) ||
        __builtin_mul_overflow(range.step, stride, &out->step)) {
      Raise("integer beyond 64 bits");
    }
  }
  if (!value.IsString()) return Value(out);
  std::string text;
  for (const Value& item : out->items) text += item.text();
  return runtime.Text(std::move(text));
}

}  // namespace inference::jinja
