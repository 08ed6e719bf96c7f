#include "chat/jinja_globals.h"

#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "util/error.h"

namespace inference::jinja {

namespace {

Value Range(Runtime& runtime, const Args& args) {
  const Bound bound(args, "range", {"start", "stop", "step"}, 1);
  List* out = runtime.NewList(Sequence::kRange);
  const bool only_stop = args.positional.size() == 1;
  out->start = only_stop ? 0 : bound.Integer(0, 0);
  out->stop = bound.Integer(only_stop ? 0 : 1, 0);
  out->step = bound.Integer(2, 1);
  if (out->step == 0) Raise("range() arg 3 must not be zero");
  for (int64_t i = out->start; out->step > 0 ? i < out->stop : i > out->stop;) {
    if (static_cast<int64_t>(out->items.size()) == kMaxRangeItems) {
      Raise("Range too big. The sandbox blocks ranges larger than {}.", kMaxRangeItems);
    }
    runtime.Append(out, Value(i));
    if (__builtin_add_overflow(i, out->step, &i)) break;
  }
  return Value(out);
}

// The pairs of a mapping, or of a sequence of pairs, and then the named arguments.
Dict* DictFrom(Runtime& runtime, const Args& args, std::string_view function) {
  if (args.positional.size() > 1) {
    Raise("{} expected at most 1 argument, got {}", function, args.positional.size());
  }
  Dict* dict = runtime.NewDict();
  if (!args.positional.empty()) {
    const Value& source = args.positional[0];
    if (source.kind() == Kind::kDict) {
      for (const auto& [key, value] : source.dict()->entries) SetKey(runtime, dict, key, value);
    } else {
      RequireDefined(source);
      for (const Value& item : Iterate(runtime, source)) {
        const std::vector<Value>& pair = Iterate(runtime, item);
        if (pair.size() != 2) Raise("{}: wanted pairs of key and value", function);
        SetKey(runtime, dict, pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : args.named) SetKey(runtime, dict, Value(name), value);
  return dict;
}

Value MakeDict(Runtime& runtime, const Args& args) {
  return Value(DictFrom(runtime, args, "dict"));
}

Value MakeNamespace(Runtime& runtime, const Args& args) {
  Space* space = runtime.NewSpace();
  for (const auto& [key, value] : DictFrom(runtime, args, "namespace")->entries) {
    if (!key.IsString()) Raise("namespace: key is of type '{}', wanted a string", TypeName(key));
    RequirePublicName(key.text());
    space->attributes.emplace_back(key.text(), value);
  }
  return Value(space);
}

Value RaiseException(Runtime& runtime, const Args& args) {
  const Bound bound(args, "raise_exception", {"message"}, 1);
  Raise("raised by the template: {}", Quote(Str(runtime, bound.At(0))));
}

// Local time, with English names whatever the process's locale is.
Value StrftimeNow(Runtime& runtime, const Args& args) {
  const Bound bound(args, "strftime_now", {"format"}, 1);
  const std::string format(bound.Text(0, {}));
  if (format.size() > 1000) Raise("strftime_now: format of more than 1000 bytes");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (localtime_r(&now, &local) == nullptr) Raise("strftime_now: the local time is unknown");
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::put_time(&local, format.c_str());
  return runtime.Text(out.str());
}

Value MakeCycler(Runtime& runtime, const Args& args) {
  if (!args.named.empty()) Raise("cycler: unexpected argument {}", Quote(args.named[0].first));
  if (args.positional.empty()) Raise("at least one item has to be provided");
  Cycler* cycler = runtime.NewCycler();
  cycler->items = args.positional;
  return Value(cycler);
}

Value MakeJoiner(Runtime& runtime, const Args& args) {
  const Bound bound(args, "joiner", {"sep"});
  Joiner* joiner = runtime.NewJoiner();
  joiner->separator = bound.Has(0) ? Str(runtime, bound.At(0)) : ", ";
  return Value(joiner);
}

constexpr Builtin kGlobals[] = {{"range", Range},
                                {"dict", MakeDict},
                                {"namespace", MakeNamespace},
                                {"cycler", MakeCycler},
                                {"joiner", MakeJoiner},
                                {"raise_exception", RaiseException},
                                {"strftime_now", StrftimeNow}};

}  // namespace

void RequirePublicName(std::string_view attribute) {
  if (!attribute.starts_with('_')) return;
  Raise(
      "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. "
      "Please rename the attribute.",
      QuoteLikePython(attribute));
}

const Builtin* FindGlobal(std::string_view name) {
  for (const Builtin& global : kGlobals) {
    if (global.name == name) return &global;
  }
  return nullptr;
}

}  // namespace inference::jinja
