// Text as Python sees it: indices and lengths count code points, space and case are Unicode's.
// All text is valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace inference::jinja {

size_t CountChars(std::string_view text);
// Byte offset of code point `index`; text.size() where there are fewer.
size_t OffsetOfChar(std::string_view text, size_t index);
// Bytes of the code point that starts at `at`; at < text.size().
size_t CharLength(std::string_view text, size_t at);
// Byte offset of the code point that ends at `end`; end > 0.
size_t PreviousChar(std::string_view text, size_t end);

bool IsSpace(uint32_t code_point);      // str.isspace
bool IsPrintable(uint32_t code_point);  // not escaped by repr()

// Without leading/trailing code points that are in `chars`, or are space where it is null.
std::string_view StripLeft(std::string_view text, const std::string_view* chars = nullptr);
std::string_view StripRight(std::string_view text, const std::string_view* chars = nullptr);

std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string Capitalize(std::string_view text);
std::string TitleMethod(std::string_view text);  // str.title(): after anything that is no letter
std::string TitleFilter(std::string_view text);  // Jinja's: after space and - ( { [ <
std::string SwapCase(std::string_view text);

std::string EscapeHtml(std::string_view text);  // & < > ' "

enum class CharClass : uint8_t { kAlpha, kDigit, kAlnum, kSpace };
bool AllAre(std::string_view text, CharClass wanted);  // false for empty text
bool IsLowerText(std::string_view text);               // some cased letter, and none upper
bool IsUpperText(std::string_view text);

// Byte offset of `needle`, npos where absent; linear time, also for hostile input.
size_t FindText(std::string_view text, std::string_view needle, size_t from = 0);
size_t FindLastText(std::string_view text, std::string_view needle);

}  // namespace inference::jinja
