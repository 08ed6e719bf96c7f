// Filters that apply another filter, a test or an attribute to each item.
#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_tests.h"
#include "util/error.h"

namespace inference::jinja {

namespace {

Args ArgsFrom(const Args& args, size_t first) {
  Args rest;
  rest.named = args.named;
  rest.positional.assign(args.positional.begin() + static_cast<ptrdiff_t>(first),
                         args.positional.end());
  return rest;
}

std::string_view NameIn(const Value& value, std::string_view function) {
  if (!value.IsString()) {
    Raise("{}: name is of type '{}', wanted a string", function, TypeName(value));
  }
  return value.text();
}

Value Map(Runtime& runtime, const Value& value, const Args& args) {
  const DepthGuard guard(runtime.depth);  // map can name map
  List* out = runtime.NewList(Sequence::kGenerator);
  if (!IsTrue(value)) return Value(out);  // none too, and whatever the arguments are
  if (args.positional.empty()) {
    const Bound bound(args, "map", {"attribute", "default"}, 1);
    const Value fallback = bound.At(1);
    for (const Value& item : Iterate(runtime, value)) {
      runtime.Append(out,
                     GetPath(runtime, item, bound.At(0), fallback.IsNone() ? nullptr : &fallback));
    }
    return Value(out);
  }
  const std::string_view name = NameIn(args.positional[0], "map");
  const FilterInfo* filter = FindFilter(name);
  if (filter == nullptr) Raise("{}", NoFilterMessage(name));
  const Args rest = ArgsFrom(args, 1);
  for (const Value& item : Iterate(runtime, value)) {
    runtime.Append(out, filter->apply(runtime, item, rest));
  }
  return Value(out);
}

// kAttribute: the first argument names what is tested; kKeep: whether matches stay or go.
template <bool kAttribute, bool kKeep>
Value Select(Runtime& runtime, const Value& value, const Args& args) {
  List* out = runtime.NewList(Sequence::kGenerator);
  if (!IsTrue(value)) return Value(out);  // as Map
  const size_t first = kAttribute ? 1 : 0;
  const std::string_view function = kKeep ? "select" : "reject";
  if (args.positional.size() < first) Raise("{}attr: missing attribute name", function);
  const TestInfo* test = nullptr;
  Args rest;
  if (args.positional.size() > first) {
    const std::string_view name = NameIn(args.positional[first], function);
    test = FindTest(name);
    if (test == nullptr) Raise("no test named {}", Quote(name));
    rest = ArgsFrom(args, first + 1);
  }
  for (const Value& item : Iterate(runtime, value)) {
    runtime.Charge(1);
    const Value tested = kAttribute ? GetPath(runtime, item, args.positional[0]) : item;
    const bool match = test == nullptr ? IsTrue(tested) : test->apply(runtime, tested, rest);
    if (match == kKeep) runtime.Append(out, item);
  }
  return Value(out);
}

constexpr FilterInfo kSelectFilters[] = {
    {"map", Map},
    {"select", Select<false, true>},
    {"reject", Select<false, false>},
    {"selectattr", Select<true, true>},
    {"rejectattr", Select<true, false>},
};

}  // namespace

const FilterInfo* FindSelectFilter(std::string_view name) {
  for (const FilterInfo& filter : kSelectFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

}  // namespace inference::jinja
