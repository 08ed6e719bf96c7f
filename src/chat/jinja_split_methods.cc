// Methods of strings that take them apart and put them together.
#include <algorithm>
#include <string>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_methods.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

bool SpaceAt(std::string_view text, size_t at) { return IsSpace(DecodeUtf8(text, at).code_point); }

// Runs of white space part the words; `limit` splits at most, the rest unstripped on its far side.
void SplitWords(Runtime& runtime, List* out, std::string_view text, int64_t limit) {
  text = StripLeft(text);
  while (!text.empty()) {
    if (limit-- == 0) return runtime.Append(out, Value(text));
    size_t end = 0;
    while (end < text.size() && !SpaceAt(text, end)) end += CharLength(text, end);
    runtime.Append(out, Value(text.substr(0, end)));
    text = StripLeft(text.substr(end));
  }
}

void SplitWordsFromRight(Runtime& runtime, List* out, std::string_view text, int64_t limit) {
  text = StripRight(text);
  while (!text.empty()) {
    size_t begin = text.size();
    while (begin > 0 && !SpaceAt(text, PreviousChar(text, begin)))
      begin = PreviousChar(text, begin);
    if (limit-- == 0) begin = 0;
    runtime.Append(out, Value(text.substr(begin)));
    text = StripRight(text.substr(0, begin));
  }
  std::reverse(out->items.begin(), out->items.end());
}

void SplitAt(Runtime& runtime, List* out, std::string_view text, std::string_view separator,
             int64_t limit) {
  size_t begin = 0;
  for (; limit != 0; --limit) {
    const size_t at = FindText(text, separator, begin);
    if (at == std::string_view::npos) break;
    runtime.Append(out, Value(text.substr(begin, at - begin)));
    begin = at + separator.size();
  }
  runtime.Append(out, Value(text.substr(begin)));
}

void SplitAtFromRight(Runtime& runtime, List* out, std::string_view text,
                      std::string_view separator, int64_t limit) {
  // The search runs over reversed text: string_view::rfind is quadratic on hostile input.
  const std::string reversed(text.rbegin(), text.rend());
  const std::string wanted(separator.rbegin(), separator.rend());
  size_t end = text.size();
  for (; limit != 0; --limit) {
    const size_t hit = FindText(reversed, wanted, text.size() - end);
    if (hit == std::string_view::npos) break;
    const size_t after = text.size() - hit;  // where the separator ends
    runtime.Append(out, Value(text.substr(after, end - after)));
    end = after - separator.size();
  }
  runtime.Append(out, Value(text.substr(0, end)));
  std::reverse(out->items.begin(), out->items.end());
}

template <bool kRight>
Value Split(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, kRight ? "rsplit" : "split", {"sep", "maxsplit"});
  const int64_t limit = bound.Integer(1, -1);
  List* out = runtime.NewList();
  if (bound.At(0).IsNone()) {
    (kRight ? SplitWordsFromRight : SplitWords)(runtime, out, self.text(), limit);
  } else {
    const std::string_view separator = bound.Text(0, {});
    if (separator.empty()) Raise("empty separator");
    (kRight ? SplitAtFromRight : SplitAt)(runtime, out, self.text(), separator, limit);
  }
  return Value(out);
}

Value SplitLines(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "splitlines", {"keepends"});
  const bool keep = bound.Flag(0, false);
  const std::string_view text = self.text();
  List* out = runtime.NewList();
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    const bool ends = (c.code_point >= 0x0A && c.code_point <= 0x0D) ||
                      (c.code_point >= 0x1C && c.code_point <= 0x1E) || c.code_point == 0x85 ||
                      c.code_point == 0x2028 || c.code_point == 0x2029;
    size_t next = at + c.length;
    if (ends) {
      if (text.substr(at).starts_with("\r\n")) ++next;
      runtime.Append(out, Value(text.substr(begin, (keep ? next : at) - begin)));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) runtime.Append(out, Value(text.substr(begin)));
  return Value(out);
}

template <bool kRight>
Value Partition(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, kRight ? "rpartition" : "partition", {"sep"}, 1);
  const std::string_view separator = bound.Text(0, {}), text = self.text();
  if (separator.empty()) Raise("empty separator");
  const size_t at = kRight ? FindLastText(text, separator) : FindText(text, separator);
  const Value empty{std::string_view()};
  if (at == std::string_view::npos) {
    return kRight ? runtime.Tuple({empty, empty, self}) : runtime.Tuple({self, empty, empty});
  }
  return runtime.Tuple({Value(text.substr(0, at)), Value(text.substr(at, separator.size())),
                        Value(text.substr(at + separator.size()))});
}

Value Replace(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "replace", {"old", "new", "count"}, 2);
  const std::string_view text = self.text(), old = bound.Text(0, {}), fresh = bound.Text(1, {});
  int64_t limit = bound.Integer(2, -1);
  TextOut out(runtime);
  size_t begin = 0;
  while (limit != 0) {
    size_t at = FindText(text, old, begin);
    if (at == std::string_view::npos) break;
    if (old.empty()) {  // before every code point and at the end
      const size_t length = at < text.size() ? CharLength(text, at) : 0;
      out.Add(fresh);
      out.Add(text.substr(at, length));
      begin = at + length;
      --limit;
      if (length == 0) return runtime.Text(out.Take());
      continue;
    }
    out.Add(text.substr(begin, at - begin));
    out.Add(fresh);
    begin = at + old.size();
    --limit;
  }
  out.Add(text.substr(begin));
  return runtime.Text(out.Take());
}

Value Join(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "join", {"iterable"}, 1);
  TextOut out(runtime);
  size_t index = 0;
  for (const Value& item : Iterate(runtime, bound.At(0))) {
    if (!item.IsString()) {
      Raise("sequence item {}: expected str instance, {} found", index, TypeName(item));
    }
    if (index++ > 0) out.Add(self.text());
    out.Add(item.text());
  }
  return runtime.Text(out.Take());
}

constexpr MethodInfo kSplitMethods[] = {
    {"split", Split<false>},
    {"rsplit", Split<true>},
    {"splitlines", SplitLines},
    {"partition", Partition<false>},
    {"rpartition", Partition<true>},
    {"replace", Replace},
    {"join", Join},
};

}  // namespace

const MethodInfo* FindSplitMethod(std::string_view name) {
  for (const MethodInfo& method : kSplitMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

}  // namespace inference::jinja
