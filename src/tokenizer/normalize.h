// Text changes before splitting: the normalizers of tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/character_filters.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/regex.h"

namespace inference {

// `text` with `to` in place of every `from`, which is not empty; LIMIT where it grows past what
// `work` allows.
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to,
                       const TextWork& work);

// Replaces every match of a string or a regular expression. Also a decoder step.
class Replacement {
 public:
  Replacement(std::string pattern, std::string content);  // pattern not empty
  Replacement(Regex pattern, std::string content);

  std::string Apply(std::string_view text, TextWork& work) const;
  bool is_regex() const { return regex_.has_value(); }
  const std::string& pattern() const { return pattern_; }  // "" for a regular expression

 private:
  std::string pattern_;
  std::optional<Regex> regex_;
  std::string content_;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` (valid UTF-8) in a normal form of UAX #15; linear in its length.
std::string ToUnicodeForm(std::string_view text, UnicodeForm form, const TextWork& work);
// One code point at a time, without context.
std::string ToLowercase(std::string_view text, const TextWork& work);

struct NormalizerStep {
  enum class Kind {
    kUnicode,
    kLowercase,
    kReplace,
    kPrepend,
    kStrip,
    kStripAccents,
    kNmt,
    kBert,
    kByteLevel,
    kCharsMap
  };
  Kind kind = Kind::kLowercase;
  UnicodeForm form = UnicodeForm::kNfc;    // kUnicode
  std::optional<Replacement> replacement;  // kReplace
  std::string prefix;                      // kPrepend: only before a text that is not empty
  bool strip_left = false;                 // kStrip: white space
  bool strip_right = false;
  BertOptions bert;                          // kBert
  std::shared_ptr<const CharsMap> charsmap;  // kCharsMap
};

class Normalizer {  // immutable, thread-safe
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps = {}) : steps_(std::move(steps)) {}
  bool empty() const { return steps_.empty(); }
  // LIMIT where the text grows past what `work` allows, CANCELLED.
  std::string Apply(std::string_view text, TextWork& work) const;

 private:
  static std::string ApplyStep(const NormalizerStep& step, std::string text, TextWork& work);

  std::vector<NormalizerStep> steps_;
};

}  // namespace inference
