// Filters on sequences and mappings.
#include <algorithm>
#include <charconv>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_methods.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

Value Default(Runtime&, const Value& value, const Args& args) {
  const Bound bound(args, "default", {"default_value", "boolean"});
  const bool absent = value.IsUndefined() || (bound.Flag(1, false) && !IsTrue(value));
  if (!absent) return value;
  return bound.Has(0) ? bound.At(0) : Value(std::string_view());
}

Value Join(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "join", {"d", "attribute"});
  const std::string_view separator = bound.Has(0) ? Str(runtime, bound.At(0)) : "";
  TextOut out(runtime);
  bool first = true;
  for (const Value& item : Iterate(runtime, value)) {
    if (!first) out.Add(separator);
    first = false;
    out.Add(Str(runtime, bound.At(1).IsNone() ? item : GetPath(runtime, item, bound.At(1))));
  }
  return runtime.Text(out.Take());
}

Value Length(Runtime&, const Value& value, const Args& args) {
  Bound(args, "length", {});
  return Value(LengthOf(value));
}

Value First(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "first", {});
  const std::vector<Value>& items = Iterate(runtime, value);
  if (items.empty()) return runtime.UndefinedWith("No first item, sequence was empty.");
  return items.front();
}

bool IsGenerator(const Value& value) {
  return value.kind() == Kind::kList && value.list()->sequence == Sequence::kGenerator;
}

Value Last(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "last", {});
  if (IsGenerator(value)) Raise("'generator' object is not reversible");
  const std::vector<Value>& items = Iterate(runtime, value);
  if (items.empty()) return runtime.UndefinedWith("No last item, sequence was empty.");
  return items.back();
}

Value ToList(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "list", {});
  List* out = runtime.NewList();
  for (const Value& item : Iterate(runtime, value)) runtime.Append(out, item);
  return Value(out);
}

Value Reverse(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "reverse", {});
  List* out = runtime.NewList(Sequence::kGenerator);
  const std::vector<Value>& items = Iterate(runtime, value);
  for (auto item = items.rbegin(); item != items.rend(); ++item) runtime.Append(out, *item);
  if (!value.IsString()) return Value(out);
  std::string text;
  for (const Value& item : out->items) text += item.text();
  return runtime.Text(std::move(text));
}

Value Items(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "items", {});
  List* out = runtime.NewList(Sequence::kGenerator);
  if (value.IsUndefined()) return Value(out);
  if (value.kind() != Kind::kDict) Raise("Can only get item pairs from a mapping.");
  for (const auto& [key, item] : value.dict()->entries) {
    runtime.Append(out, runtime.Tuple({key, item}));
  }
  return Value(out);
}

// The same for each of the attributes in "a,b", as a tuple.
Value KeysOf(Runtime& runtime, const Value& item, const Value& attributes, bool case_sensitive) {
  List* keys = runtime.NewList(Sequence::kTuple);
  if (!attributes.IsString()) {
    runtime.Append(keys, KeyOf(runtime, item, attributes, case_sensitive));
    return Value(keys);
  }
  for (std::string_view rest = attributes.text();;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    runtime.Append(keys, KeyOf(runtime, item, Value(rest.substr(0, comma)), case_sensitive));
    if (comma == rest.size()) return Value(keys);
    rest.remove_prefix(comma + 1);
  }
}

using Keyed = std::vector<std::pair<Value, Value>>;  // sort key, item

Value PlainKeyOf(Runtime& runtime, const Value& item, const Value& attribute, bool case_sensitive) {
  return KeyOf(runtime, item, attribute, case_sensitive);
}

Keyed WithKeys(Runtime& runtime, const Value& value, const Value& attribute, bool case_sensitive,
               decltype(PlainKeyOf)& key_of = PlainKeyOf) {
  Keyed keyed;
  for (const Value& item : Iterate(runtime, value)) {
    runtime.Charge(1);
    keyed.emplace_back(key_of(runtime, item, attribute, case_sensitive), item);
  }
  return keyed;
}

void StableSort(Runtime& runtime, Keyed& keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    runtime.Charge(1);
    return Compare(runtime, reverse ? Op::kGreater : Op::kLess, a.first, b.first);
  });
}

Value Sort(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "sort", {"reverse", "case_sensitive", "attribute"});
  Keyed keyed = WithKeys(runtime, value, bound.At(2), bound.Flag(1, false), KeysOf);
  StableSort(runtime, keyed, bound.Flag(0, false));
  List* out = runtime.NewList();
  for (const auto& [key, item] : keyed) runtime.Append(out, item);
  return Value(out);
}

Value DictSort(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string_view by = bound.Text(1, "key");
  if (by != "key" && by != "value") Raise("You can only sort by either \"key\" or \"value\"");
  if (value.kind() != Kind::kDict) Raise("dictsort: wanted a mapping, not {}", TypeName(value));
  Args none;
  Keyed keyed = WithKeys(runtime, Items(runtime, value, none), Value(int64_t{by == "key" ? 0 : 1}),
                         bound.Flag(0, false));
  StableSort(runtime, keyed, bound.Flag(2, false));
  List* out = runtime.NewList();
  for (const auto& [key, item] : keyed) runtime.Append(out, item);
  return Value(out);
}

Value Unique(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "unique", {"case_sensitive", "attribute"});
  List* out = runtime.NewList(Sequence::kGenerator);
  std::vector<Value> seen;
  for (const auto& [key, item] : WithKeys(runtime, value, bound.At(1), bound.Flag(0, false))) {
    const bool known = std::any_of(seen.begin(), seen.end(), [&, k = key](const Value& other) {
      return Equals(runtime, other, k);
    });
    if (known) continue;
    seen.push_back(key);
    runtime.Append(out, item);
  }
  return Value(out);
}

template <Op kOp>
Value Extreme(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, kOp == Op::kLess ? "min" : "max", {"case_sensitive", "attribute"});
  const Keyed keyed = WithKeys(runtime, value, bound.At(1), bound.Flag(0, false));
  if (keyed.empty()) {
    return runtime.UndefinedWith("No aggregated item, sequence was empty.");
  }
  const auto* best = &keyed[0];
  for (const auto& entry : keyed) {
    if (&entry != best && Compare(runtime, kOp, entry.first, best->first)) best = &entry;
  }
  return best->second;
}

Value Sum(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "sum", {"attribute", "start"});
  Value total = bound.Has(1) ? bound.At(1) : Value(int64_t{0});
  for (const Value& item : Iterate(runtime, value)) {
    runtime.Charge(1);
    total = Arithmetic(runtime, Op::kAdd, total,
                       bound.At(0).IsNone() ? item : GetPath(runtime, item, bound.At(0)));
  }
  return total;
}

Value Batch(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "batch", {"linecount", "fill_with"}, 1);
  const int64_t size = bound.Integer(0, 1);
  if (size < 1) Raise("batch: linecount is {}, wanted at least 1", size);
  List* out = runtime.NewList(Sequence::kGenerator);
  List* row = nullptr;
  for (const Value& item : Iterate(runtime, value)) {
    if (row == nullptr || static_cast<int64_t>(row->items.size()) == size) {
      row = runtime.NewList();
      runtime.Append(out, Value(row));
    }
    runtime.Append(row, item);
  }
  if (row != nullptr && !bound.At(1).IsNone()) {
    while (static_cast<int64_t>(row->items.size()) < size) runtime.Append(row, bound.At(1));
  }
  return Value(out);
}

constexpr FilterInfo kListFilters[] = {
    {"default", Default},
    {"d", Default},
    {"join", Join},
    {"length", Length},
    {"count", Length},
    {"first", First},
    {"last", Last},
    {"list", ToList},
    {"reverse", Reverse},
    {"items", Items},
    {"sort", Sort},
    {"dictsort", DictSort},
    {"unique", Unique},
    {"min", Extreme<Op::kLess>},
    {"max", Extreme<Op::kGreater>},
    {"sum", Sum},
    {"batch", Batch},
};

}  // namespace

Value KeyOf(Runtime& runtime, const Value& item, const Value& attribute, bool case_sensitive,
            const Value* fallback) {
  const Value key = attribute.IsNone() ? item : GetPath(runtime, item, attribute, fallback);
  return key.IsString() && !case_sensitive ? runtime.Text(Lower(key.text())) : key;
}

const FilterInfo* FindListFilter(std::string_view name) {
  for (const FilterInfo& filter : kListFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

Value GetPath(Runtime& runtime, const Value& value, const Value& attribute, const Value* fallback) {
  const auto step = [&](const Value& from, const Value& key) {
    const Value next = GetItem(runtime, from, key);
    return next.IsUndefined() && fallback != nullptr ? *fallback : next;
  };
  if (!attribute.IsString()) return step(value, attribute);
  Value current = value;
  std::string_view rest = attribute.text();
  while (true) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number =
        AllAre(part, CharClass::kDigit) && error == std::errc() && end == part.data() + part.size();
    current = step(current, number ? Value(index) : Value(part));
    if (dot == rest.size()) return current;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace inference::jinja
