// Regular expressions of tokenizers: written for Oniguruma, run by PCRE2 with JIT.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/text_work.h"

namespace inference {

struct TextRange {
  size_t begin;  // bytes
  size_t end;
  bool operator==(const TextRange&) const = default;
};

class Regex {  // immutable, thread-safe
 public:
  // `name` (file and part) begins every message. FORMAT for a bad pattern, UNSUPPORTED for syntax
  // that the two engines read differently.
  Regex(std::string_view pattern, std::string name);

  // Every match in order, none overlapping; an empty match counts unless it touches the one before.
  // `text` must be valid UTF-8. LIMIT where a match needs more than kMaxMatchSteps, or all matches
  // of `work` more than kMaxRegexSteps; CANCELLED.
  void FindAll(std::string_view text, TextWork& work, std::vector<TextRange>& out) const;

 private:
  int Match(std::string_view text, size_t at, TextWork::Matching& matching) const;
  int MatchSlowly(std::string_view text, size_t at, TextWork& work) const;

  std::string name_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

// `pattern` in PCRE2's syntax, with the meaning Oniguruma gives it; see Regex for the errors.
std::string TranslatePattern(std::string_view pattern, std::string_view name);

}  // namespace inference
