#include "chat/jinja_methods.h"

#include <algorithm>

#include "chat/jinja_args.h"
#include "chat/jinja_ast.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"

namespace inference::jinja {

namespace {

Value View(Runtime& runtime, const Dict& dict, Sequence sequence) {
  List* out = runtime.NewList(sequence);
  for (const auto& [key, value] : dict.entries) {
    runtime.Append(out, sequence == Sequence::kKeys     ? key
                        : sequence == Sequence::kValues ? value
                                                        : runtime.Tuple({key, value}));
  }
  return Value(out);
}

Value DictKeys(Runtime& runtime, const Value& self, const Args& args) {
  Bound(args, "keys", {});
  return View(runtime, *self.dict(), Sequence::kKeys);
}

Value DictValues(Runtime& runtime, const Value& self, const Args& args) {
  Bound(args, "values", {});
  return View(runtime, *self.dict(), Sequence::kValues);
}

Value DictItems(Runtime& runtime, const Value& self, const Args& args) {
  Bound(args, "items", {});
  return View(runtime, *self.dict(), Sequence::kItems);
}

Value DictGet(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "get", {"key", "default"}, 1);
  const Value* found = FindKey(runtime, *self.dict(), bound.At(0));
  return found != nullptr ? *found : bound.At(1);
}

Value DictCopy(Runtime&, const Value& self, const Args& args) {
  Bound(args, "copy", {});
  return self;  // nothing can change either
}

Value ListIndex(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "index", {"value"}, 1);
  const std::vector<Value>& items = self.list()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (Equals(runtime, items[i], bound.At(0))) return Value(static_cast<int64_t>(i));
  }
  Raise("value is not in {}", TypeName(self));
}

Value ListCount(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "count", {"value"}, 1);
  const std::vector<Value>& items = self.list()->items;
  return Value(static_cast<int64_t>(std::count_if(items.begin(), items.end(), [&](const Value& v) {
    return Equals(runtime, v, bound.At(0));
  })));
}

constexpr MethodInfo kDictMethods[] = {{"keys", DictKeys},
                                       {"values", DictValues},
                                       {"items", DictItems},
                                       {"get", DictGet},
                                       {"copy", DictCopy}};
constexpr MethodInfo kListMethods[] = {
    {"index", ListIndex}, {"count", ListCount}, {"copy", DictCopy}};

Value LoopCycle(Runtime&, const Value& self, const Args& args) {
  if (args.positional.empty()) Raise("no items for cycling given");
  return args.positional[self.Get<Loop*>()->index % args.positional.size()];
}

Value LoopChanged(Runtime& runtime, const Value& self, const Args& args) {
  Loop& loop = *self.Get<Loop*>();
  const bool first = loop.index == 0 && loop.changed.empty();
  bool same = !first && loop.changed.size() == args.positional.size();
  for (size_t i = 0; same && i < args.positional.size(); ++i) {
    same = Equals(runtime, loop.changed[i], args.positional[i]);
  }
  loop.changed = args.positional;
  return Value(!same);
}

constexpr MethodInfo kLoopMethods[] = {{"cycle", LoopCycle}, {"changed", LoopChanged}};

Value CyclerNext(Runtime&, const Value& self, const Args& args) {
  Bound(args, "next", {});
  Cycler& cycler = *self.Get<Cycler*>();
  const Value current = cycler.items[cycler.at];
  cycler.at = (cycler.at + 1) % cycler.items.size();
  return current;
}

Value CyclerReset(Runtime&, const Value& self, const Args& args) {
  Bound(args, "reset", {});
  self.Get<Cycler*>()->at = 0;
  return Value();
}

constexpr MethodInfo kCyclerMethods[] = {{"next", CyclerNext}, {"reset", CyclerReset}};

template <size_t N>
const MethodInfo* Find(const MethodInfo (&table)[N], std::string_view name) {
  for (const MethodInfo& method : table) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

template <size_t N>
bool Has(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

const MethodInfo* FindMethod(const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kString: {
      const MethodInfo* method = FindTextMethod(name);
      return method != nullptr ? method : FindSplitMethod(name);
    }
    case Kind::kDict:
      return Find(kDictMethods, name);
    case Kind::kLoop:
      return Find(kLoopMethods, name);
    case Kind::kCycler:
      return Find(kCyclerMethods, name);
    case Kind::kList: {
      const Sequence sequence = value.list()->sequence;
      const bool plain = sequence == Sequence::kList || sequence == Sequence::kTuple;
      return plain ? Find(kListMethods, name) : nullptr;
    }
    default:
      return nullptr;
  }
}

bool IsMutator(const Value& value, std::string_view name) {
  static constexpr std::string_view kOfLists[] = {"append", "clear", "pop",    "reverse",
                                                  "insert", "sort",  "extend", "remove"};
  static constexpr std::string_view kOfDicts[] = {"clear", "pop", "popitem", "setdefault",
                                                  "update"};
  if (value.kind() == Kind::kDict) return Has(kOfDicts, name);
  return value.kind() == Kind::kList && value.list()->sequence == Sequence::kList &&
         Has(kOfLists, name);
}

bool IsOtherMethod(const Value& value, std::string_view name) {
  static constexpr std::string_view kOfText[] = {"encode",  "expandtabs",   "format_map",
                                                 "isascii", "isidentifier", "isprintable",
                                                 "istitle", "maketrans",    "translate"};
  return value.IsString() && Has(kOfText, name);
}

std::optional<Value> LoopAttribute(Runtime& runtime, const Loop& loop, std::string_view name) {
  const auto size = static_cast<int64_t>(loop.items->size());
  const auto index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(size - index);
  if (name == "revindex0") return Value(size - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index == size - 1);
  if (name == "length") return Value(size);
  if (name == "depth") return Value(loop.depth + 1);
  if (name == "depth0") return Value(loop.depth);
  if (name == "previtem") {
    if (index == 0) return runtime.UndefinedWith("there is no previous item");
    return (*loop.items)[loop.index - 1];
  }
  if (name == "nextitem") {
    if (index == size - 1) return runtime.UndefinedWith("there is no next item");
    return (*loop.items)[loop.index + 1];
  }
  if (const MethodInfo* method = Find(kLoopMethods, name)) {
    return Value(runtime.NewMethod(Value(const_cast<Loop*>(&loop)), method));
  }
  return std::nullopt;
}

std::optional<Value> MacroAttribute(Runtime& runtime, const Macro& macro, std::string_view name) {
  if (name == "name") return Value(macro.definition->text);
  if (name == "caller") return Value(macro.definition->uses_caller);
  if (name == "catch_varargs") return Value(macro.definition->uses_varargs);
  if (name == "catch_kwargs") return Value(macro.definition->uses_kwargs);
  if (name != "arguments") return std::nullopt;
  List* names = runtime.NewList(Sequence::kTuple);
  for (const Parameter& parameter : macro.definition->parameters) {
    runtime.Append(names, Value(parameter.name));
  }
  return Value(names);
}

}  // namespace inference::jinja
