// What goes to stdout and stderr, and how it looks there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace inference::tools {

// Writes to stdout; throws ApiError (IO) when it cannot be written.
void Out(std::string_view text);
void FlushOut();
void Err(std::string_view text);  // to stderr, at once

// Names of files and what files say, for people: control bytes as \xNN, so that no name can steer
// the terminal or pass for another line.
std::string Printable(std::string_view text);

bool IsTerminal(int fd);

// Escape sequences for a stream, empty where colours are not wanted (no terminal, NO_COLOR is set).
struct Colors {
  explicit Colors(int fd);
  std::string_view bold, dim, accent, error, reset;
};

std::string HumanBytes(uint64_t bytes);   // "84.6 MB"
std::string HumanCount(uint64_t number);  // "134.5 M"

}  // namespace inference::tools
