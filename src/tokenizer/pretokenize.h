// Cuts normalized text into the words that are encoded one by one: the pre-tokenizers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"

namespace inference {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

enum class PrependScheme { kAlways, kNever, kFirst };

enum class CharacterClass { kDigit, kPunctuation, kWhiteSpace, kWord };

struct PreTokenizerStep {
  enum class Kind { kSplitRegex, kSplitString, kSplitClass, kByteLevel, kMetaspace, kFixedLength };
  Kind kind = Kind::kSplitString;
  // kSplit*, kByteLevel with a regex, kMetaspace with split
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;         // what does not match is the separator
  std::optional<Regex> regex;  // kSplitRegex; of kByteLevel: absent with use_regex false
  std::string pattern;         // kSplitString: not empty. kMetaspace: what a space becomes
  CharacterClass character_class = CharacterClass::kDigit;  // kSplitClass: one character a match
  bool add_prefix_space = false;                            // kByteLevel
  PrependScheme prepend = PrependScheme::kNever;            // kMetaspace
  bool split = true;                                        // kMetaspace
  uint64_t length = 0;                                      // kFixedLength: characters, not 0
};

// Of ByteLevel with use_regex: GPT-2's words.
extern const std::string_view kByteLevelPattern;

// Words as ranges of one text; steps cut them further, some rewrite the text.
struct Words {
  std::string text;
  std::vector<TextRange> ranges;  // in order, none empty
};

class PreTokenizer {  // immutable, thread-safe
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps = {}) : steps_(std::move(steps)) {}

  // The words of `text`. LIMIT where a step makes too much of it, CANCELLED.
  Words Apply(std::string text, TextWork& work) const;

 private:
  std::vector<PreTokenizerStep> steps_;
};

}  // namespace inference
