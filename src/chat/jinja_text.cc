#include "chat/jinja_text.h"

#include <string.h>
#include <utf8proc.h>

#include <algorithm>
#include <unordered_set>

#include "util/utf8.h"

namespace inference::jinja {

namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

utf8proc_category_t CategoryOf(uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool IsLetter(uint32_t c) {
  const utf8proc_category_t category = CategoryOf(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

void AppendUpper(std::string& out, uint32_t c) {
  if (c == 0xDF) {  // sharp s: the one common letter whose capital is two
    out += "SS";
  } else {
    AppendUtf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void AppendLower(std::string& out, uint32_t c) {
  AppendUtf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

void AppendTitle(std::string& out, uint32_t c) {
  AppendUtf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

template <typename Body>  // body(code point)
void ForEachChar(std::string_view text, Body&& body) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    body(c.code_point);
    at += c.length;
  }
}

// The characters that strip() removes.
class StripSet {
 public:
  explicit StripSet(const std::string_view* chars) : space_(chars == nullptr) {
    if (chars == nullptr) return;
    ForEachChar(*chars, [&](uint32_t c) { set_.insert(c); });
  }
  bool Has(uint32_t c) const { return space_ ? IsSpace(c) : set_.count(c) > 0; }

 private:
  bool space_;
  std::unordered_set<uint32_t> set_;
};

}  // namespace

size_t CountChars(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), IsContinuation));
}

size_t OffsetOfChar(std::string_view text, size_t index) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsContinuation(text[at]) && index-- == 0) return at;
  }
  return text.size();
}

size_t CharLength(std::string_view text, size_t at) { return DecodeUtf8(text, at).length; }

size_t PreviousChar(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && IsContinuation(text[at])) --at;
  return at;
}

bool IsSpace(uint32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPrintable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c != 0x7F;
  switch (CategoryOf(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::string_view StripLeft(std::string_view text, const std::string_view* chars) {
  const StripSet set(chars);
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (!set.Has(c.code_point)) break;
    at += c.length;
  }
  return text.substr(at);
}

std::string_view StripRight(std::string_view text, const std::string_view* chars) {
  const StripSet set(chars);
  size_t end = text.size();
  while (end > 0) {
    const size_t at = PreviousChar(text, end);
    if (!set.Has(DecodeUtf8(text, at).code_point)) break;
    end = at;
  }
  return text.substr(0, end);
}

std::string Upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachChar(text, [&](uint32_t c) { AppendUpper(out, c); });
  return out;
}

std::string Lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachChar(text, [&](uint32_t c) { AppendLower(out, c); });
  return out;
}

std::string Capitalize(std::string_view text) {
  std::string out;
  bool first = true;
  ForEachChar(text, [&](uint32_t c) {
    first ? AppendTitle(out, c) : AppendLower(out, c);
    first = false;
  });
  return out;
}

std::string TitleMethod(std::string_view text) {
  std::string out;
  bool inside = false;
  ForEachChar(text, [&](uint32_t c) {
    inside ? AppendLower(out, c) : AppendTitle(out, c);
    inside = IsLetter(c);
  });
  return out;
}

std::string TitleFilter(std::string_view text) {
  std::string out;
  bool inside = false;
  ForEachChar(text, [&](uint32_t c) {
    inside ? AppendLower(out, c) : AppendUpper(out, c);
    inside = !IsSpace(c) && c != '-' && c != '(' && c != '{' && c != '[' && c != '<';
  });
  return out;
}

std::string SwapCase(std::string_view text) {
  std::string out;
  ForEachChar(text, [&](uint32_t c) {
    CategoryOf(c) == UTF8PROC_CATEGORY_LU ? AppendLower(out, c) : AppendUpper(out, c);
  });
  return out;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

bool AllAre(std::string_view text, CharClass wanted) {
  bool all = !text.empty();
  ForEachChar(text, [&](uint32_t c) {
    const bool digit = CategoryOf(c) == UTF8PROC_CATEGORY_ND;
    switch (wanted) {
      case CharClass::kAlpha:
        all = all && IsLetter(c);
        break;
      case CharClass::kDigit:
        all = all && digit;
        break;
      case CharClass::kAlnum:
        all = all && (IsLetter(c) || digit);
        break;
      case CharClass::kSpace:
        all = all && IsSpace(c);
        break;
    }
  });
  return all;
}

bool IsLowerText(std::string_view text) {
  bool lower = false, upper = false;
  ForEachChar(text, [&](uint32_t c) {
    lower = lower || CategoryOf(c) == UTF8PROC_CATEGORY_LL;
    upper = upper || CategoryOf(c) == UTF8PROC_CATEGORY_LU;
  });
  return lower && !upper;
}

bool IsUpperText(std::string_view text) {
  bool lower = false, upper = false;
  ForEachChar(text, [&](uint32_t c) {
    lower = lower || CategoryOf(c) == UTF8PROC_CATEGORY_LL;
    upper = upper || CategoryOf(c) == UTF8PROC_CATEGORY_LU;
  });
  return upper && !lower;
}

size_t FindText(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  if (needle.size() > text.size() - from) return std::string_view::npos;  // and text may be null
  // memmem is two-way search; string_view::find takes n*m steps on input made for it.
  const void* hit = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (hit == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(hit) - text.data());
}

size_t FindLastText(std::string_view text, std::string_view needle) {
  // Backwards, so that one linear search does it.
  const std::string reversed(text.rbegin(), text.rend());
  const std::string wanted(needle.rbegin(), needle.rend());
  const size_t at = FindText(reversed, wanted);
  return at == std::string_view::npos ? at : text.size() - at - needle.size();
}

}  // namespace inference::jinja
