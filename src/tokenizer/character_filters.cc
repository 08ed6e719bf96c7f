#include "tokenizer/character_filters.h"

#include <utility>

#include "tokenizer/normalize.h"
#include "tokenizer/unicode.h"
#include "util/utf8.h"

namespace inference {

namespace {

// `text` with each code point handed to `map(code_point, out)`.
template <typename Map>
std::string MapCharacters(std::string_view text, TextWork& work, Map map) {
  std::string out;
  out.reserve(text.size());
  bool first = true;
  ForEachCharacter(text, work, out, [&](const Utf8Char& c) {
    map(c.code_point, out);
    if (std::exchange(first, false) && out.empty()) work.at_start = false;
  });
  return out;
}

template <typename Drop>
std::string DropCharacters(std::string_view text, TextWork& work, Drop drop) {
  return MapCharacters(text, work, [&](uint32_t c, std::string& out) {
    if (!drop(c)) AppendUtf8(out, c);
  });
}

bool InRange(uint32_t c, uint32_t first, uint32_t last) { return c >= first && c <= last; }

bool NmtDrops(uint32_t c) {
  return InRange(c, 0x01, 0x08) || c == 0x0B || InRange(c, 0x0E, 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool NmtSpace(uint32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
         InRange(c, 0x200B, 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

// U+2B820 to U+2B91F are not among them in Hugging Face either.
bool IsChinese(uint32_t c) {
  return InRange(c, 0x4E00, 0x9FFF) || InRange(c, 0x3400, 0x4DBF) || InRange(c, 0x20000, 0x2A6DF) ||
         InRange(c, 0x2A700, 0x2B73F) || InRange(c, 0x2B740, 0x2B81F) ||
         InRange(c, 0x2B920, 0x2CEAF) || InRange(c, 0xF900, 0xFAFF) || InRange(c, 0x2F800, 0x2FA1F);
}

std::string CleanText(std::string_view text, TextWork& work) {
  return MapCharacters(text, work, [](uint32_t c, std::string& out) {
    const bool space = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == 0xFFFD || (!space && IsOther(c))) return;
    AppendUtf8(out, space || IsWhiteSpace(c) ? ' ' : c);
  });
}

}  // namespace

std::string StripAccents(std::string_view text, TextWork& work) {
  return DropCharacters(text, work, IsMark);
}

std::string NmtFilter(std::string_view text, TextWork& work) {
  return MapCharacters(text, work, [](uint32_t c, std::string& out) {
    if (!NmtDrops(c)) AppendUtf8(out, NmtSpace(c) ? ' ' : c);
  });
}

std::string BertNormalize(std::string_view text, const BertOptions& options, TextWork& work) {
  std::string out = options.clean_text ? CleanText(text, work) : std::string(text);
  if (options.split_chinese) {
    out = MapCharacters(out, work, [](uint32_t c, std::string& spaced) {
      const bool chinese = IsChinese(c);
      if (chinese) spaced.push_back(' ');
      AppendUtf8(spaced, c);
      if (chinese) spaced.push_back(' ');
    });
  }
  if (options.strip_accents) {
    out = DropCharacters(ToUnicodeForm(out, UnicodeForm::kNfd, work), work, IsNonSpacingMark);
  }
  return options.lowercase ? ToLowercase(out, work) : out;
}

}  // namespace inference
