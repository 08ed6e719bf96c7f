// Filters that take sequences apart: groupby, slice; and attr.
#include <algorithm>

#include "chat/jinja_args.h"
#include "chat/jinja_ast.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_ops.h"

namespace inference::jinja {

namespace {

Value GroupBy(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "groupby", {"attribute", "default", "case_sensitive"}, 1);
  const Value attribute = bound.At(0), fallback = bound.At(1);
  const Value* const absent = fallback.IsNone() ? nullptr : &fallback;
  const bool case_sensitive = bound.Flag(2, false);
  std::vector<std::pair<Value, Value>> keyed;  // key, item
  for (const Value& item : Iterate(runtime, value)) {
    runtime.Charge(1);
    keyed.emplace_back(KeyOf(runtime, item, attribute, case_sensitive, absent), item);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    runtime.Charge(1);
    return Compare(runtime, Op::kLess, a.first, b.first);
  });
  List* out = runtime.NewList();
  List* members = nullptr;
  for (size_t i = 0; i < keyed.size(); ++i) {
    if (i == 0 || !Equals(runtime, keyed[i].first, keyed[i - 1].first)) {
      members = runtime.NewList();
      const Value shown =
          KeyOf(runtime, keyed[i].second, attribute, /*case_sensitive=*/true, absent);
      const Value group = runtime.Tuple({shown, Value(members)});
      group.list()->group = true;
      runtime.Append(out, group);
    }
    runtime.Append(members, keyed[i].second);
  }
  return Value(out);
}

Value Slice(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "slice", {"slices", "fill_with"}, 1);
  const int64_t slices = bound.Integer(0, 1);
  if (slices < 1) Raise("slice: slices is {}, wanted at least 1", slices);
  const std::vector<Value>& items = Iterate(runtime, value);
  const auto size = static_cast<int64_t>(items.size());
  const int64_t whole = size / slices, longer = size % slices;
  List* out = runtime.NewList(Sequence::kGenerator);
  for (int64_t s = 0, at = 0; s < slices; ++s) {
    List* part = runtime.NewList();
    for (int64_t i = whole + (s < longer ? 1 : 0); i > 0; --i) {
      runtime.Append(part, items[static_cast<size_t>(at++)]);
    }
    if (!bound.At(1).IsNone() && s >= longer) runtime.Append(part, bound.At(1));
    runtime.Append(out, Value(part));
  }
  return Value(out);
}

Value Attr(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "attr", {"name"}, 1);
  return GetOwnAttribute(runtime, value, bound.Text(0, {}));
}

constexpr FilterInfo kGroupFilters[] = {{"groupby", GroupBy}, {"slice", Slice}, {"attr", Attr}};

}  // namespace

const FilterInfo* FindGroupFilter(std::string_view name) {
  for (const FilterInfo& filter : kGroupFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

}  // namespace inference::jinja
