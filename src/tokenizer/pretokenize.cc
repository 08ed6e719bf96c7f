#include "tokenizer/pretokenize.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"
#include "util/utf8.h"

namespace inference {

const std::string_view kByteLevelPattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

namespace {

bool IsIn(CharacterClass character_class, uint32_t code_point) {
  switch (character_class) {
    case CharacterClass::kDigit:
      return IsNumeric(code_point);
    case CharacterClass::kPunctuation:
      return IsPunctuation(code_point);
    case CharacterClass::kWhiteSpace:
      return IsWhiteSpace(code_point);
    case CharacterClass::kWord:
      return IsWordChar(code_point);
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
  Splitter(const PreTokenizerStep& step, TextWork& work) : step_(step), work_(work) {}

  // Replaces the words by their parts.
  void Run(Words& words) {
    std::vector<TextRange> out;
    out.reserve(words.ranges.size());
    for (const TextRange& word : words.ranges) {
      work_.CheckCancel();
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
    if (step_.regex) return step_.regex->FindAll(word, work_, matches_);
    if (step_.kind == PreTokenizerStep::Kind::kSplitClass) {
      size_t at = 0;
      ForEachCharacter(word, work_, {}, [&](const Utf8Char& c) {
        if (IsIn(step_.character_class, c.code_point)) matches_.push_back({at, at + c.length});
        at += c.length;
      });
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
  TextWork& work_;
  std::vector<TextRange> matches_;
  std::vector<Stretch> stretches_;
  std::vector<TextRange> parts_;
};

// Rewrites each word with `append(word, out)`.
template <typename Append>
void Rewrite(Words& words, const TextWork& work, Append append) {
  std::string out;
  out.reserve(words.text.size() + words.text.size() / 4);
  for (TextRange& range : words.ranges) {
    const size_t begin = out.size();
    append(std::string_view(words.text).substr(range.begin, range.end - range.begin), out);
    work.CheckSize(out.size());
    range = {begin, out.size()};
  }
  words.text = std::move(out);
}

void ApplyByteLevel(const PreTokenizerStep& step, Words& words, TextWork& work) {
  if (step.add_prefix_space) {
    Rewrite(words, work, [](std::string_view word, std::string& out) {
      if (word[0] != ' ') out.push_back(' ');
      out.append(word);
    });
  }
  if (step.regex) Splitter(step, work).Run(words);
  Rewrite(words, work, [&](std::string_view word, std::string& out) {
    ByteAlphabet::Get().Encode(word, work, out);
  });
}

void ApplyMetaspace(const PreTokenizerStep& step, Words& words, TextWork& work) {
  bool first = work.at_start;
  Rewrite(words, work, [&](std::string_view word, std::string& out) {
    const bool prepend =
        step.prepend == PrependScheme::kAlways || (step.prepend == PrependScheme::kFirst && first);
    first = false;
    if (prepend && word[0] != ' ' && !word.starts_with(step.pattern)) out.append(step.pattern);
    ForEachCharacter(word, work, out, [&](const Utf8Char& c) {
      if (c.code_point == ' ') {
        out.append(step.pattern);
      } else {
        AppendUtf8(out, c.code_point);
      }
    });
  });
  if (step.split) Splitter(step, work).Run(words);
}

void ApplyFixedLength(uint64_t length, Words& words, const TextWork& work) {
  std::vector<TextRange> out;
  for (const TextRange& word : words.ranges) {
    uint64_t count = 0;
    size_t at = word.begin;
    const std::string_view text(words.text.data() + word.begin, word.end - word.begin);
    ForEachCharacter(text, work, {}, [&](const Utf8Char& c) {
      if (count++ % length == 0) out.push_back({at, at});
      at += c.length;
      out.back().end = at;
    });
  }
  words.ranges = std::move(out);
}

}  // namespace

Words PreTokenizer::Apply(std::string text, TextWork& work) const {
  Words words{std::move(text), {}};
  if (!words.text.empty()) words.ranges.push_back({0, words.text.size()});
  for (const PreTokenizerStep& step : steps_) {
    if (words.ranges.empty()) break;
    switch (step.kind) {
      case PreTokenizerStep::Kind::kByteLevel:
        ApplyByteLevel(step, words, work);
        break;
      case PreTokenizerStep::Kind::kMetaspace:
        ApplyMetaspace(step, words, work);
        break;
      case PreTokenizerStep::Kind::kFixedLength:
        ApplyFixedLength(step.length, words, work);
        break;
      default:
        Splitter(step, work).Run(words);
    }
    if (words.ranges.empty() || words.ranges[0].begin > 0) work.at_start = false;
  }
  work.Keep(words.text.size());
  return words;
}

}  // namespace inference
