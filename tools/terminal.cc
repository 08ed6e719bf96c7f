#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "api.h"

namespace inference::tools {
namespace {

[[noreturn]] void FailOut() {
  throw ApiError(INF_E_IO, fmt::format("standard output: cannot write: {}", std::strerror(errno)));
}

std::string Scaled(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"", "k", "M", "G", "T"};
  size_t prefix = 0;
  for (; value >= 1000.0 && prefix + 1 < kPrefixes.size(); ++prefix) value /= 1000.0;
  if (prefix == 0 && unit.empty()) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f} {}{}", value, prefix == 0 ? 0 : 1, kPrefixes[prefix], unit);
}

}  // namespace

void Out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) FailOut();
}

void FlushOut() {
  if (std::fflush(stdout) != 0) FailOut();
}

void Err(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);  // nowhere left to complain
  std::fflush(stderr);
}

std::string Printable(std::string_view text) {
  std::string out;
  unsigned char before = 0;
  int follow = 0;  // bytes that the last lead byte of UTF-8 asks for
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool follows = follow > 0 && (byte & 0xC0) == 0x80;
    follow = follows ? follow - 1 : byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
    // U+0080 to U+009F are C2 80 to C2 9F, or one byte on terminals without UTF-8.
    const bool is_c1 = byte >= 0x80 && byte < 0xA0 && (!follows || before == 0xC2);
    if (byte < 0x20 || byte == 0x7F || is_c1) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
    before = byte;
  }
  return out;
}

bool IsTerminal(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

Colors::Colors(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  if (!IsTerminal(fd) || (no_color != nullptr && *no_color != '\0')) return;
  bold = "\033[1m";
  dim = "\033[2m";
  accent = "\033[36m";
  error = "\033[31m";
  reset = "\033[0m";
}

std::string HumanBytes(uint64_t bytes) { return Scaled(static_cast<double>(bytes), "B"); }
std::string HumanCount(uint64_t number) { return Scaled(static_cast<double>(number), ""); }

}  // namespace inference::tools
