// Normal forms and lower case, on utf8proc's tables.
#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "tokenizer/normalize.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

// Whether the form leaves every text unchanged that has only code points below the result.
uint32_t UnchangedBelow(UnicodeForm form) { return form == UnicodeForm::kNfc ? 0x300 : 0x80; }

bool AllBelow(std::string_view text, uint32_t limit) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (c.code_point >= limit) return false;
    at += c.length;
  }
  return true;
}

void AppendDecomposed(uint32_t code_point, utf8proc_option_t options,
                      std::vector<utf8proc_int32_t>& out) {
  std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition, of U+FDFA, has 18
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(code_point), parts.data(), parts.size(), options, &boundary);
  Require(count >= 0 && count <= static_cast<utf8proc_ssize_t>(parts.size()), Status::kInternal,
          "normalize: U+{:04X} has a decomposition of {} code points", code_point, count);
  out.insert(out.end(), parts.begin(), parts.begin() + count);
}

// Canonical order: marks between two starters sorted by combining class. utf8proc's own sort needs
// quadratic time on a long run of marks.
void SortMarks(std::vector<utf8proc_int32_t>& text) {
  const auto combining_class = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    if (end - at > 1) {
      std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(at),
                       text.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](utf8proc_int32_t a, utf8proc_int32_t b) {
                         return combining_class(a) < combining_class(b);
                       });
    }
    at = std::max(end, at + 1);
  }
}

// Whether every form of a text is that of what lies before `c` and that of the rest: `c` is no mark
// and joins nothing before it.
bool MayCutBefore(uint32_t c) { return c < 0x300 || (c >= 0x4E00 && c <= 0x9FFF); }

// Where the part that begins at `begin` ends: past kBytesBetweenChecks, where it may be cut.
size_t PartEnd(std::string_view text, size_t begin) {
  if (text.size() - begin <= kBytesBetweenChecks) return text.size();
  size_t at = begin + kBytesBetweenChecks;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (MayCutBefore(c.code_point)) break;
    at += c.length;
  }
  return at;
}

void AppendForm(std::string_view text, UnicodeForm form, const TextWork& work, std::string& out) {
  const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                      (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size());
  size_t next_check = kBytesBetweenChecks;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    AppendDecomposed(c.code_point, options, code_points);
    at += c.length;
    if (at < next_check) continue;
    work.CheckSize(out.size() + code_points.size());  // a byte at least for each part
    next_check += kBytesBetweenChecks;
  }
  SortMarks(code_points);
  if (compose) {
    const auto compose_options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const utf8proc_ssize_t count = utf8proc_normalize_utf32(
        code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()), compose_options);
    code_points.resize(static_cast<size_t>(count));
  }
  for (const utf8proc_int32_t c : code_points) AppendUtf8(out, static_cast<uint32_t>(c));
}

}  // namespace

std::string ToUnicodeForm(std::string_view text, UnicodeForm form, const TextWork& work) {
  std::string out;
  out.reserve(text.size());
  for (size_t begin = 0; begin < text.size();) {
    work.CheckSize(out.size());
    const std::string_view part = text.substr(begin, PartEnd(text, begin) - begin);
    if (AllBelow(part, UnchangedBelow(form))) {
      out.append(part);
    } else {
      AppendForm(part, form, work, out);
    }
    begin += part.size();
  }
  return out;
}

std::string ToLowercase(std::string_view text, const TextWork& work) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text, work, out, [&](const Utf8Char& c) {
    if (c.code_point == 0x130) {  // the one code point whose lower case is two
      out.append("i\xCC\x87");
      return;
    }
    AppendUtf8(
        out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point))));
  });
  return out;
}

}  // namespace inference
