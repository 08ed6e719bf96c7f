// "pre_tokenizer" of tokenizer.json.
#include "tokenizer/json_parts.h"
#include "util/error.h"

namespace inference {

namespace {

using Kind = PreTokenizerStep::Kind;

constexpr int64_t kMaxFixedLength = 1 << 30;

SplitBehavior ParseBehavior(const JsonFields& step) {
  const std::string name = step.GetString("behavior");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  Fail(Status::kUnsupported, "{}: behavior: {} is not supported", step.name(), Quote(name));
}

PreTokenizerStep ParseSplit(const JsonFields& step) {
  PreTokenizerStep out;
  PatternField pattern = ParsePattern(step);
  if (pattern.is_regex) {
    out.kind = Kind::kSplitRegex;
    out.regex.emplace(pattern.text, step.name());
  } else {
    out.kind = Kind::kSplitString;
    out.pattern = std::move(pattern.text);
  }
  out.behavior = ParseBehavior(step);
  out.invert = step.FindBool("invert").value_or(false);
  return out;
}

PreTokenizerStep SplitByClass(CharacterClass character_class, SplitBehavior behavior) {
  PreTokenizerStep out;
  out.kind = Kind::kSplitClass;
  out.character_class = character_class;
  out.behavior = behavior;
  return out;
}

PreTokenizerStep ParseByteLevel(const JsonFields& step) {
  PreTokenizerStep out;
  out.kind = Kind::kByteLevel;
  out.add_prefix_space = step.FindBool("add_prefix_space").value_or(true);
  if (step.FindBool("use_regex").value_or(true)) {
    out.regex.emplace(kByteLevelPattern, step.name());
  }
  return out;
}

PreTokenizerStep ParseMetaspace(const JsonFields& step) {
  PreTokenizerStep out;
  out.kind = Kind::kMetaspace;
  out.pattern = GetCharacter(step, "replacement");
  out.prepend = ParsePrepend(step);
  out.split = step.FindBool("split").value_or(true);
  out.behavior = SplitBehavior::kMergedWithNext;
  return out;
}

// One step of the file, as one or two of ours.
std::vector<PreTokenizerStep> ParseStep(const JsonFields& step, const std::string& type) {
  PreTokenizerStep out;
  if (type == "Split") return {ParseSplit(step)};
  if (type == "ByteLevel") return {ParseByteLevel(step)};
  if (type == "Metaspace") return {ParseMetaspace(step)};
  if (type == "Digits") {
    const bool single = step.FindBool("individual_digits").value_or(false);
    return {SplitByClass(CharacterClass::kDigit,
                         single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous)};
  }
  if (type == "Punctuation") {
    return {SplitByClass(CharacterClass::kPunctuation,
                         step.Has("behavior") ? ParseBehavior(step) : SplitBehavior::kIsolated)};
  }
  if (type == "WhitespaceSplit") {
    return {SplitByClass(CharacterClass::kWhiteSpace, SplitBehavior::kRemoved)};
  }
  if (type == "BertPreTokenizer") {
    return {SplitByClass(CharacterClass::kWhiteSpace, SplitBehavior::kRemoved),
            SplitByClass(CharacterClass::kPunctuation, SplitBehavior::kIsolated)};
  }
  if (type == "Whitespace") {  // \w+|[^\w\s]+ of Rust's regex
    return {SplitByClass(CharacterClass::kWhiteSpace, SplitBehavior::kRemoved),
            SplitByClass(CharacterClass::kWord, SplitBehavior::kContiguous)};
  }
  if (type == "CharDelimiterSplit") {
    out.pattern = GetCharacter(step, "delimiter");
    out.behavior = SplitBehavior::kRemoved;
    return {std::move(out)};
  }
  if (type == "FixedLength") {
    out.kind = Kind::kFixedLength;
    out.length = static_cast<uint64_t>(step.FindInt("length", 1, kMaxFixedLength).value_or(5));
    return {std::move(out)};
  }
  FailPart(step, type);
}

}  // namespace

std::vector<PreTokenizerStep> ParsePreTokenizer(const Json& json, const std::string& file) {
  std::vector<PreTokenizerStep> steps;
  ForEachStep(json, file + ": pre_tokenizer", "pretokenizers",
              [&](const JsonFields& step, const std::string& type) {
                for (PreTokenizerStep& part : ParseStep(step, type)) {
                  steps.push_back(std::move(part));
                }
              });
  return steps;
}

}  // namespace inference
