// Template text to tokens, with Jinja's white space control and Hugging Face's settings
// (trim_blocks and lstrip_blocks on, one newline dropped at the end).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace inference::jinja {

enum class TokenKind : uint8_t {
  kText,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  size_t offset;
  std::string_view text;  // of kString: with escapes resolved
  int64_t integer = 0;
  double number = 0;
};

// `source` as Jinja reads it: \r\n and \r become \n, and one \n at the end goes.
std::string NormalizeNewlines(std::string_view source);

// Views point into `source` and `texts`. Ends with kEnd. Raises Fault.
std::vector<Token> Tokenize(std::string_view source, std::deque<std::string>& texts);

}  // namespace inference::jinja
