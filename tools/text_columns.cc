#include "text_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace inference::tools {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 1;
  bool is_valid = false;  // otherwise one byte that stands for nothing
};

CodePoint First(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  uint32_t value = lead & (0xFFu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xD800 && value < 0xE000;
  return {value, bytes, value >= kLeast[bytes] && value <= 0x10FFFF && !is_surrogate};
}

bool IsIn(uint32_t value, const auto& ranges) {
  return std::ranges::any_of(ranges,
                             [&](const auto& r) { return value >= r.first && value <= r.second; });
}

size_t ColumnsOf(uint32_t value) {
  using Range = std::pair<uint32_t, uint32_t>;
  static constexpr std::array kNone = {Range(0x300, 0x36F), Range(0x200B, 0x200F),
                                       Range(0x20D0, 0x20FF), Range(0xFE00, 0xFE0F)};
  static constexpr std::array kWide = {
      Range(0x1100, 0x115F),   Range(0x2E80, 0xA4CF),   Range(0xAC00, 0xD7A3),
      Range(0xF900, 0xFAFF),   Range(0xFE30, 0xFE6F),   Range(0xFF00, 0xFF60),
      Range(0xFFE0, 0xFFE6),   Range(0x1F300, 0x1F64F), Range(0x1F680, 0x1F6FF),
      Range(0x1F900, 0x1FAFF), Range(0x20000, 0x3FFFD)};
  return IsIn(value, kNone) ? 0 : IsIn(value, kWide) ? 2 : 1;
}

}  // namespace

std::string QuotedText(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint next = First(text);
    const bool is_control = next.value < 0x20 || (next.value >= 0x7F && next.value < 0xA0);
    if (text[0] == '\n') {
      out += "\\n";
    } else if (text[0] == '"' || text[0] == '\\') {
      out += {'\\', text[0]};
    } else if (next.is_valid && !is_control) {
      out += text.substr(0, next.bytes);
    } else {
      for (const char c : text.substr(0, next.is_valid ? next.bytes : 1)) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    }
    text.remove_prefix(next.is_valid ? next.bytes : 1);
  }
  return out + '"';
}

size_t ColumnsOf(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const CodePoint next = First(text);
    columns += ColumnsOf(next.value);
    text.remove_prefix(next.bytes);
  }
  return columns;
}

std::string Shortened(const std::string& text, size_t columns) {
  if (ColumnsOf(text) <= columns) return text;
  std::string_view rest = text;
  std::string out;
  size_t taken = 0;
  while (!rest.empty()) {
    const CodePoint next = First(rest);
    taken += ColumnsOf(next.value);
    if (taken >= columns) break;
    out += rest.substr(0, next.bytes);
    rest.remove_prefix(next.bytes);
  }
  return out + "…";
}

std::string Padded(const std::string& text, size_t columns) {
  return text + std::string(columns - std::min(columns, ColumnsOf(text)), ' ');
}

}  // namespace inference::tools
