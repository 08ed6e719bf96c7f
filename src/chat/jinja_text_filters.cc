// Filters on text. A value that is no string is printed first, as Jinja's soft_str does.
#include <algorithm>
#include <string>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_format.h"
#include "chat/jinja_methods.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

template <std::string (*Convert)(std::string_view)>
Value Converted(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "filter", {});
  return runtime.Text(Convert(Str(runtime, value)));
}

Value String(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "string", {});
  return value.IsString() ? value : Value(Str(runtime, value));
}

// The method of the same name, on the printed value.
Value CallMethod(Runtime& runtime, const Value& value, std::string_view name, const Args& args) {
  const Value text(Str(runtime, value));
  return FindMethod(text, name)->call(runtime, text, args);
}

Value Trim(Runtime& runtime, const Value& value, const Args& args) {
  return CallMethod(runtime, value, "strip", args);
}

Value Replace(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "replace", {"old", "new", "count"}, 2);
  Args printed;
  printed.positional = {Value(Str(runtime, bound.At(0))), Value(Str(runtime, bound.At(1))),
                        bound.At(2)};
  return CallMethod(runtime, value, "replace", printed);
}

Value Center(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "center", {"width"});
  Args width;
  width.positional = {Value(bound.Integer(0, 80))};
  return CallMethod(runtime, value, "center", width);
}

Value Safe(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "safe", {});
  return Value(Markup{Str(runtime, value)});
}

Value Escape(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "escape", {});
  if (value.IsMarkup()) return value;
  return Value(Markup{runtime.Keep(EscapeHtml(Str(runtime, value)))});
}

Value ForceEscape(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "forceescape", {});
  return Value(Markup{runtime.Keep(EscapeHtml(Str(runtime, value)))});
}

Value Format(Runtime& runtime, const Value& value, const Args& args) {
  if (!args.named.empty()) {
    if (!args.positional.empty()) {
      Raise("format: arguments by position and by name cannot be mixed");
    }
    Dict* dict = runtime.NewDict();
    for (const auto& [name, named] : args.named) SetKey(runtime, dict, Value(name), named);
    return PercentFormat(runtime, Str(runtime, value), Value(dict));
  }
  List* tuple = runtime.NewList(Sequence::kTuple);
  tuple->items = args.positional;
  return PercentFormat(runtime, Str(runtime, value), Value(tuple));
}

Value Indent(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "indent", {"width", "first", "blank"});
  if (!value.IsString()) Raise("indent: value is of type '{}', wanted a string", TypeName(value));
  const bool blank = bound.Flag(2, false);
  std::string pad;
  if (bound.At(0).IsString()) {
    pad = bound.At(0).text();
  } else {
    pad.assign(static_cast<size_t>(std::clamp<int64_t>(bound.Integer(0, 4), 0, kMaxTextBytes)),
               ' ');
  }
  const Value lines =
      CallMethod(runtime, runtime.Text(std::string(value.text()) + "\n"), "splitlines", {});
  TextOut out(runtime);
  bool first = true;
  for (const Value& line : lines.list()->items) {
    if (!first) out.Add('\n');
    if (first ? bound.Flag(1, false) : blank || !line.text().empty()) out.Add(pad);
    out.Add(line.text());
    first = false;
  }
  return runtime.Text(out.Take());
}

Value Truncate(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "truncate", {"length", "killwords", "end", "leeway"});
  const std::string_view text = Str(runtime, value), end = bound.Text(2, "...");
  const int64_t length = bound.Integer(0, 255), leeway = bound.Integer(3, 5);
  const auto end_chars = static_cast<int64_t>(CountChars(end));
  if (length < end_chars) Raise("truncate: expected length >= {}, got {}", end_chars, length);
  if (leeway < 0) Raise("truncate: expected leeway >= 0, got {}", leeway);
  const auto chars = static_cast<int64_t>(CountChars(text));
  if (chars <= length || chars - length <= leeway) return Value(text);
  std::string_view kept =
      text.substr(0, OffsetOfChar(text, static_cast<size_t>(length - end_chars)));
  if (!bound.Flag(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return runtime.Text(std::string(kept).append(end));
}

Value WordCount(Runtime& runtime, const Value& value, const Args& args) {
  Bound(args, "wordcount", {});
  const std::string_view text = Str(runtime, value);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharLength(text, at);
    const bool word = text[at] == '_' || AllAre(text.substr(at, length), CharClass::kAlnum);
    words += word && !inside ? 1 : 0;
    inside = word;
    at += length;
  }
  return Value(words);
}

// Hugging Face's own tojson, not Jinja's: no HTML escapes.
Value ToJsonFilter(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(args, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.Flag(0, false);
  style.sort_keys = bound.Flag(3, false);
  const Value indent = bound.At(1);
  if (indent.IsString()) {
    style.indent = indent.text();
  } else if (!indent.IsNone()) {
    const int64_t width = std::clamp<int64_t>(bound.Integer(1, 0), 0, 1000);
    style.indent = runtime.Keep(std::string(static_cast<size_t>(width), ' '));
  }
  if (style.indent) style.item_separator = ",";
  const Value separators = bound.At(2);
  if (!separators.IsNone()) {
    const std::vector<Value>& pair = Iterate(runtime, separators);
    if (pair.size() != 2 || !pair[0].IsString() || !pair[1].IsString()) {
      Raise("tojson: separators: wanted two strings");
    }
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  return Value(ToJson(runtime, value, style));
}

constexpr FilterInfo kTextFilters[] = {
    {"trim", Trim},
    {"tojson", ToJsonFilter},
    {"string", String},
    {"safe", Safe},
    {"upper", Converted<Upper>},
    {"lower", Converted<Lower>},
    {"capitalize", Converted<Capitalize>},
    {"title", Converted<TitleFilter>},
    {"replace", Replace},
    {"indent", Indent},
    {"center", Center},
    {"truncate", Truncate},
    {"wordcount", WordCount},
    {"format", Format},
    {"escape", Escape},
    {"e", Escape},
    {"forceescape", ForceEscape},
};

}  // namespace

const FilterInfo* FindTextFilter(std::string_view name) {
  for (const FilterInfo& filter : kTextFilters) {
    if (filter.name == name) return &filter;
  }
  return nullptr;
}

const FilterInfo* FindFilter(std::string_view name) {
  for (const auto find : {FindTextFilter, FindListFilter, FindSelectFilter, FindNumberFilter,
                          FindGroupFilter, FindEncodeFilter}) {
    if (const FilterInfo* filter = find(name)) return filter;
  }
  return nullptr;
}

std::string NoFilterMessage(std::string_view name) {
  for (const std::string_view other :
       {"filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap"}) {
    if (name == other) return fmt::format("filter {} is not supported", Quote(name));
  }
  return fmt::format("no filter named {}", Quote(name));
}

}  // namespace inference::jinja
