#include "tokenizer/pretokenize.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"
#include "util/utf8.h"

namespace inference {

const std::string_view kByteLevelPattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// PCRE2 has no property Alphabetic before 10.40: the symbols among it are listed.
const std::string_view kWhitespacePattern =
    "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200C}\\x{200D}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}"
    "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}]+"
    "|[^\\s\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200C}\\x{200D}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{"
    "1F149}"
    "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}]+";

namespace {

bool IsIn(CharacterClass character_class, uint32_t code_point) {
  switch (character_class) {
    case CharacterClass::kDigit:
      return IsNumeric(code_point);
    case CharacterClass::kPunctuation:
      return IsPunctuation(code_point);
    case CharacterClass::kWhiteSpace:
      return IsWhiteSpace(code_point);
  }
  return false;
}

// A stretch of a word that matches the pattern, or lies between two that do.
struct Stretch {
  TextRange range;
  bool match;
};

class Splitter {
 public:
  Splitter(const PreTokenizerStep& step, RegexScratch& scratch) : step_(step), scratch_(scratch) {}

  // Replaces the words by their parts.
  void Run(Words& words) {
    std::vector<TextRange> out;
    out.reserve(words.ranges.size());
    for (const TextRange& word : words.ranges) {
      FindMatches(std::string_view(words.text).substr(word.begin, word.end - word.begin));
      FindStretches(word.end - word.begin);
      Join();
      for (const TextRange& part : parts_) {
        if (part.begin < part.end) out.push_back({word.begin + part.begin, word.begin + part.end});
      }
    }
    words.ranges = std::move(out);
  }

 private:
  void FindMatches(std::string_view word) {
    matches_.clear();
    if (step_.regex) return step_.regex->FindAll(word, scratch_, matches_);
    if (step_.kind == PreTokenizerStep::Kind::kSplitClass) {
      for (size_t at = 0; at < word.size();) {
        const Utf8Char c = DecodeUtf8(word, at);
        if (IsIn(step_.character_class, c.code_point)) matches_.push_back({at, at + c.length});
        at += c.length;
      }
      return;
    }
    for (size_t at = 0; (at = word.find(step_.pattern, at)) != std::string_view::npos;) {
      matches_.push_back({at, at + step_.pattern.size()});
      at += step_.pattern.size();
    }
  }

  void FindStretches(size_t size) {
    stretches_.clear();
    size_t at = 0;
    for (const TextRange& match : matches_) {
      if (at < match.begin) stretches_.push_back({{at, match.begin}, step_.invert});
      stretches_.push_back({match, !step_.invert});
      at = match.end;
    }
    if (at < size) stretches_.push_back({{at, size}, step_.invert});
  }

  // Stretches to parts, as the behaviour says.
  void Join() {
    parts_.clear();
    bool previous = false;  // whether the stretch before was a match
    for (size_t i = 0; i < stretches_.size(); ++i) {
      const auto [range, match] = stretches_[i];
      bool join = false;  // with the part before
      switch (step_.behavior) {
        case SplitBehavior::kRemoved:
          if (match) continue;
          break;
        case SplitBehavior::kIsolated:
          break;
        case SplitBehavior::kMergedWithPrevious:
          join = match && !previous;
          break;
        // A match goes to the stretch after it, unless that is a match too.
        case SplitBehavior::kMergedWithNext:
          join = previous && !match;
          break;
        case SplitBehavior::kContiguous:
          join = match == previous;
          break;
      }
      if (join && !parts_.empty()) {
        parts_.back().end = range.end;
      } else {
        parts_.push_back(range);
      }
      previous = match;
    }
  }

  const PreTokenizerStep& step_;
  RegexScratch& scratch_;
  std::vector<TextRange> matches_;
  std::vector<Stretch> stretches_;
  std::vector<TextRange> parts_;
};

// Rewrites each word with `append(word, out)`.
template <typename Append>
void Rewrite(Words& words, Append append) {
  std::string out;
  out.reserve(words.text.size() + words.text.size() / 4);
  for (TextRange& range : words.ranges) {
    const size_t begin = out.size();
    append(std::string_view(words.text).substr(range.begin, range.end - range.begin), out);
    range = {begin, out.size()};
  }
  words.text = std::move(out);
}

void ApplyByteLevel(const PreTokenizerStep& step, Words& words, RegexScratch& scratch) {
  if (step.add_prefix_space) {
    Rewrite(words, [](std::string_view word, std::string& out) {
      if (word[0] != ' ') out.push_back(' ');
      out.append(word);
    });
  }
  if (step.regex) Splitter(step, scratch).Run(words);
  Rewrite(words,
          [](std::string_view word, std::string& out) { ByteAlphabet::Get().Encode(word, out); });
}

void ApplyMetaspace(const PreTokenizerStep& step, bool at_start, Words& words,
                    RegexScratch& scratch) {
  bool first = at_start;
  Rewrite(words, [&](std::string_view word, std::string& out) {
    const bool prepend =
        step.prepend == PrependScheme::kAlways || (step.prepend == PrependScheme::kFirst && first);
    first = false;
    if (prepend && word[0] != ' ' && !word.starts_with(step.pattern)) out.append(step.pattern);
    for (const char c : word) {
      if (c == ' ') {
        out.append(step.pattern);
      } else {
        out.push_back(c);
      }
    }
  });
  if (step.split) Splitter(step, scratch).Run(words);
}

void ApplyFixedLength(uint64_t length, Words& words) {
  std::vector<TextRange> out;
  for (const TextRange& word : words.ranges) {
    uint64_t count = 0;
    for (size_t at = word.begin; at < word.end; ++count) {
      const size_t begin = at;
      at += DecodeUtf8(words.text, at).length;
      if (count % length == 0) {
        out.push_back({begin, at});
      } else {
        out.back().end = at;
      }
    }
  }
  words.ranges = std::move(out);
}

}  // namespace

Words PreTokenizer::Apply(std::string text, bool at_start, RegexScratch& scratch) const {
  Words words{std::move(text), {}};
  if (!words.text.empty()) words.ranges.push_back({0, words.text.size()});
  for (const PreTokenizerStep& step : steps_) {
    if (words.ranges.empty()) break;
    switch (step.kind) {
      case PreTokenizerStep::Kind::kByteLevel:
        ApplyByteLevel(step, words, scratch);
        break;
      case PreTokenizerStep::Kind::kMetaspace:
        ApplyMetaspace(step, at_start, words, scratch);
        break;
      case PreTokenizerStep::Kind::kFixedLength:
        ApplyFixedLength(step.length, words);
        break;
      default:
        Splitter(step, scratch).Run(words);
    }
  }
  return words;
}

}  // namespace inference
