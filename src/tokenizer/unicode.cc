#include "tokenizer/unicode.h"

#include <utf8proc.h>

namespace inference {

namespace {

constexpr uint32_t Bit(utf8proc_category_t category) { return uint32_t{1} << category; }

bool HasCategory(uint32_t code_point, uint32_t set) {
  return (set >> utf8proc_category(static_cast<utf8proc_int32_t>(code_point)) & 1) != 0;
}

constexpr uint32_t kMarks =
    Bit(UTF8PROC_CATEGORY_MN) | Bit(UTF8PROC_CATEGORY_MC) | Bit(UTF8PROC_CATEGORY_ME);
constexpr uint32_t kLetters = Bit(UTF8PROC_CATEGORY_LU) | Bit(UTF8PROC_CATEGORY_LL) |
                              Bit(UTF8PROC_CATEGORY_LT) | Bit(UTF8PROC_CATEGORY_LM) |
                              Bit(UTF8PROC_CATEGORY_LO);

bool IsAsciiPunctuation(uint32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// The symbols (So) that are alphabetic: letters in circles and squares.
bool IsAlphabeticSymbol(uint32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace

bool IsWhiteSpace(uint32_t code_point) {
  if (code_point < 0x80) return code_point == ' ' || (code_point >= '\t' && code_point <= '\r');
  return code_point == 0x85 ||
         HasCategory(code_point, Bit(UTF8PROC_CATEGORY_ZS) | Bit(UTF8PROC_CATEGORY_ZL) |
                                     Bit(UTF8PROC_CATEGORY_ZP));
}

bool IsNumeric(uint32_t code_point) {
  return HasCategory(code_point, Bit(UTF8PROC_CATEGORY_ND) | Bit(UTF8PROC_CATEGORY_NL) |
                                     Bit(UTF8PROC_CATEGORY_NO));
}

bool IsPunctuation(uint32_t code_point) {
  return IsAsciiPunctuation(code_point) ||
         HasCategory(code_point, Bit(UTF8PROC_CATEGORY_PC) | Bit(UTF8PROC_CATEGORY_PD) |
                                     Bit(UTF8PROC_CATEGORY_PS) | Bit(UTF8PROC_CATEGORY_PE) |
                                     Bit(UTF8PROC_CATEGORY_PI) | Bit(UTF8PROC_CATEGORY_PF) |
                                     Bit(UTF8PROC_CATEGORY_PO));
}

bool IsMark(uint32_t code_point) { return HasCategory(code_point, kMarks); }

bool IsNonSpacingMark(uint32_t code_point) {
  return HasCategory(code_point, Bit(UTF8PROC_CATEGORY_MN));
}

bool IsOther(uint32_t code_point) {
  return HasCategory(code_point, Bit(UTF8PROC_CATEGORY_CC) | Bit(UTF8PROC_CATEGORY_CF) |
                                     Bit(UTF8PROC_CATEGORY_CO) | Bit(UTF8PROC_CATEGORY_CS));
}

bool IsWordChar(uint32_t code_point) {
  return HasCategory(code_point, kLetters | kMarks | Bit(UTF8PROC_CATEGORY_ND) |
                                     Bit(UTF8PROC_CATEGORY_NL) | Bit(UTF8PROC_CATEGORY_PC)) ||
         code_point == 0x200C || code_point == 0x200D || IsAlphabeticSymbol(code_point);
}

}  // namespace inference
