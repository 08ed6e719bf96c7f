// Methods of strings: case, trimming, searching, padding, tests.
#include <algorithm>
#include <string>

#include "chat/jinja_args.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_format.h"
#include "chat/jinja_methods.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

template <std::string (*Convert)(std::string_view)>
Value Converted(Runtime& runtime, const Value& self, const Args& args) {
  Bound(args, "string method", {});
  return runtime.Text(Convert(self.text()));
}

template <CharClass kClass>
Value Classified(Runtime&, const Value& self, const Args& args) {
  Bound(args, "string method", {});
  return Value(AllAre(self.text(), kClass));
}

template <bool (*Test)(std::string_view)>
Value Tested(Runtime&, const Value& self, const Args& args) {
  Bound(args, "string method", {});
  return Value(Test(self.text()));
}

template <bool kLeft, bool kRight>
Value Stripped(Runtime&, const Value& self, const Args& args) {
  const Bound bound(args, "strip", {"chars"});
  const std::string_view chars = bound.Text(0, {});
  const std::string_view* set = bound.At(0).IsNone() ? nullptr : &chars;
  std::string_view text = self.text();
  if (kLeft) text = StripLeft(text, set);
  if (kRight) text = StripRight(text, set);
  return Value(text);
}

// self.text() between the arguments `start` and `end`, counted in code points.
struct Window {
  std::string_view text;
  size_t skipped;  // code points before it
  bool valid;      // false: it begins past the end of the string
};

Window WindowOf(const Value& self, const Bound& bound) {
  const std::string_view text = self.text();
  if (!bound.Has(1) && !bound.Has(2)) return {text, 0, true};
  const int64_t size = LengthOf(self);
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t start = clamp(bound.Integer(1, 0)), end = clamp(bound.Integer(2, size));
  if (bound.Integer(1, 0) > size || end < start) return {{}, 0, false};
  const size_t begin = OffsetOfChar(text, static_cast<size_t>(start));
  const std::string_view rest = text.substr(begin);
  return {rest.substr(0, OffsetOfChar(rest, static_cast<size_t>(end - start))),
          static_cast<size_t>(start), true};
}

int64_t Position(const Value& self, const Args& args, std::string_view function, bool last) {
  const Bound bound(args, function, {"sub", "start", "end"}, 1);
  const std::string_view sub = bound.Text(0, {});
  const Window window = WindowOf(self, bound);
  if (!window.valid) return -1;
  const size_t at = last ? FindLastText(window.text, sub) : FindText(window.text, sub);
  if (at == std::string_view::npos) return -1;
  return static_cast<int64_t>(window.skipped + CountChars(window.text.substr(0, at)));
}

template <bool kLast>
Value Found(Runtime&, const Value& self, const Args& args) {
  return Value(Position(self, args, kLast ? "rfind" : "find", kLast));
}

template <bool kLast>
Value Index(Runtime&, const Value& self, const Args& args) {
  const int64_t position = Position(self, args, kLast ? "rindex" : "index", kLast);
  if (position < 0) Raise("substring not found");
  return Value(position);
}

Value Count(Runtime&, const Value& self, const Args& args) {
  const Bound bound(args, "count", {"sub", "start", "end"}, 1);
  const std::string_view sub = bound.Text(0, {});
  const Window window = WindowOf(self, bound);
  if (!window.valid) return Value(int64_t{0});
  if (sub.empty()) return Value(static_cast<int64_t>(CountChars(window.text)) + 1);
  int64_t count = 0;
  for (size_t at = FindText(window.text, sub); at != std::string_view::npos; ++count) {
    at = FindText(window.text, sub, at + sub.size());
  }
  return Value(count);
}

template <bool kStart>
Value Affixed(Runtime&, const Value& self, const Args& args) {
  const std::string_view function = kStart ? "startswith" : "endswith";
  const Bound bound(args, function, {"affix", "start", "end"}, 1);
  const Window window = WindowOf(self, bound);
  const auto matches = [&](const Value& affix) {
    RequireDefined(affix);
    if (!affix.IsString()) {
      Raise("{} first arg must be str or a tuple of str, not {}", function, TypeName(affix));
    }
    return window.valid &&
           (kStart ? window.text.starts_with(affix.text()) : window.text.ends_with(affix.text()));
  };
  const Value affix = bound.At(0);
  if (affix.kind() == Kind::kList && affix.list()->sequence == Sequence::kTuple) {
    const std::vector<Value>& items = affix.list()->items;
    return Value(std::any_of(items.begin(), items.end(), matches));
  }
  return Value(matches(affix));
}

template <bool kPrefix>
Value Removed(Runtime&, const Value& self, const Args& args) {
  const Bound bound(args, kPrefix ? "removeprefix" : "removesuffix", {"affix"}, 1);
  const std::string_view affix = bound.Text(0, {});
  std::string_view text = self.text();
  if (kPrefix && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (!kPrefix && text.ends_with(affix)) text.remove_suffix(affix.size());
  return Value(text);
}

Value Padded(Runtime& runtime, const Value& self, const Args& args, double share_before) {
  const Bound bound(args, "just", {"width", "fillchar"}, 1);
  const std::string_view fill = bound.Text(1, " ");
  if (CountChars(fill) != 1) Raise("the fill character must be exactly one character long");
  const int64_t width = bound.Integer(0, 0), size = LengthOf(self);
  if (width <= size) return self;
  if (width > static_cast<int64_t>(kMaxTextBytes)) {
    Raise("text of more than {} bytes", kMaxTextBytes);
  }
  const int64_t total = width - size;
  // center() of CPython: the odd one goes to the left where the width is odd too.
  int64_t before = share_before == 0.5 ? total / 2 + (total & width & 1)
                                       : static_cast<int64_t>(share_before) * total;
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += self.text();
  for (; before < total; ++before) out += fill;
  return runtime.Text(std::move(out));
}

Value LeftJustified(Runtime& runtime, const Value& self, const Args& args) {
  return Padded(runtime, self, args, 0);
}

Value RightJustified(Runtime& runtime, const Value& self, const Args& args) {
  return Padded(runtime, self, args, 1);
}

Value Centered(Runtime& runtime, const Value& self, const Args& args) {
  return Padded(runtime, self, args, 0.5);
}

Value ZeroFilled(Runtime& runtime, const Value& self, const Args& args) {
  const Bound bound(args, "zfill", {"width"}, 1);
  const std::string_view text = self.text();
  const int64_t missing = bound.Integer(0, 0) - LengthOf(self);
  if (missing <= 0) return self;
  if (missing > static_cast<int64_t>(kMaxTextBytes)) {
    Raise("text of more than {} bytes", kMaxTextBytes);
  }
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  std::string out(text.substr(0, sign));
  out.append(static_cast<size_t>(missing), '0').append(text.substr(sign));
  return runtime.Text(std::move(out));
}

Value Formatted(Runtime& runtime, const Value& self, const Args& args) {
  if (self.IsMarkup()) Raise("format of escaped text is not supported");
  return BraceFormat(runtime, self.text(), args);
}

constexpr MethodInfo kTextMethods[] = {
    {"upper", Converted<Upper>},
    {"lower", Converted<Lower>},
    {"casefold", Converted<Lower>},
    {"capitalize", Converted<Capitalize>},
    {"title", Converted<TitleMethod>},
    {"swapcase", Converted<SwapCase>},
    {"strip", Stripped<true, true>},
    {"lstrip", Stripped<true, false>},
    {"rstrip", Stripped<false, true>},
    {"find", Found<false>},
    {"rfind", Found<true>},
    {"index", Index<false>},
    {"rindex", Index<true>},
    {"count", Count},
    {"startswith", Affixed<true>},
    {"endswith", Affixed<false>},
    {"removeprefix", Removed<true>},
    {"removesuffix", Removed<false>},
    {"ljust", LeftJustified},
    {"rjust", RightJustified},
    {"center", Centered},
    {"zfill", ZeroFilled},
    {"format", Formatted},
    {"isalpha", Classified<CharClass::kAlpha>},
    {"isdigit", Classified<CharClass::kDigit>},
    {"isdecimal", Classified<CharClass::kDigit>},
    {"isnumeric", Classified<CharClass::kDigit>},
    {"isalnum", Classified<CharClass::kAlnum>},
    {"isspace", Classified<CharClass::kSpace>},
    {"islower", Tested<IsLowerText>},
    {"isupper", Tested<IsUpperText>},
};

}  // namespace

const MethodInfo* FindTextMethod(std::string_view name) {
  for (const MethodInfo& method : kTextMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

}  // namespace inference::jinja
