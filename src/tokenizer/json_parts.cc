#include "tokenizer/json_parts.h"

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

[[noreturn]] void FailType(const JsonFields& step, std::string_view type) {
  Fail(Status::kUnsupported, "{}: type {} is not supported", step.name(), Quote(type));
}

// A field that is one character.
std::string GetCharacter(const JsonFields& step, const char* key) {
  std::string text = step.GetString(key);
  Require(!text.empty() && DecodeUtf8(text, 0).length == text.size(), Status::kFormat,
          "{}: {}: is {}, expected one character", step.name(), key, Quote(text));
  return text;
}

SplitBehavior ParseBehavior(const JsonFields& step) {
  const std::string name = step.GetString("behavior");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  Fail(Status::kUnsupported, "{}: behavior: {} is not supported", step.name(), Quote(name));
}

// Metaspace's prepend_scheme; older files have add_prefix_space instead.
PrependScheme ParsePrepend(const JsonFields& step) {
  const std::string name = step.FindString("prepend_scheme").value_or("");
  if (name == "always") return PrependScheme::kAlways;
  if (name == "never") return PrependScheme::kNever;
  if (name == "first") return PrependScheme::kFirst;
  Require(name.empty(), Status::kUnsupported, "{}: prepend_scheme: {} is not supported",
          step.name(), Quote(name));
  return step.FindBool("add_prefix_space").value_or(true) ? PrependScheme::kAlways
                                                          : PrependScheme::kNever;
}

PreTokenizerStep ParseSplit(const JsonFields& step) {
  PreTokenizerStep out;
  PatternField pattern = ParsePattern(step);
  if (pattern.is_regex) {
    out.kind = PreTokenizerStep::Kind::kSplitRegex;
    out.regex.emplace(pattern.text, step.name());
  } else {
    out.kind = PreTokenizerStep::Kind::kSplitString;
    out.pattern = std::move(pattern.text);
  }
  out.behavior = ParseBehavior(step);
  out.invert = step.FindBool("invert").value_or(false);
  return out;
}

}  // namespace

PatternField ParsePattern(const JsonFields& step) {
  const std::optional<JsonFields> field = step.FindObject("pattern");
  Require(field.has_value(), Status::kFormat,
          "{}: pattern: is missing, expected {{\"String\": ...}} or {{\"Regex\": ...}}",
          step.name());
  if (std::optional<std::string> regex = field->FindString("Regex")) {
    return {true, *std::move(regex)};
  }
  std::string text = field->GetString("String");
  Require(!text.empty(), Status::kFormat, "{}: String: is empty, expected text", field->name());
  return {false, std::move(text)};
}

Replacement ParseReplacement(const JsonFields& step) {
  PatternField pattern = ParsePattern(step);
  std::string content = step.GetString("content");
  if (pattern.is_regex) return {Regex(pattern.text, step.name()), std::move(content)};
  return {std::move(pattern.text), std::move(content)};
}

std::vector<NormalizerStep> ParseNormalizer(const Json& json, const std::string& file) {
  using Kind = NormalizerStep::Kind;
  std::vector<NormalizerStep> steps;
  ForEachStep(json, file + ": normalizer", "normalizers",
              [&](const JsonFields& step, const std::string& type) {
                NormalizerStep out;
                out.kind = Kind::kUnicode;
                if (type == "NFC") {
                  out.form = UnicodeForm::kNfc;
                } else if (type == "NFD") {
                  out.form = UnicodeForm::kNfd;
                } else if (type == "NFKC") {
                  out.form = UnicodeForm::kNfkc;
                } else if (type == "NFKD") {
                  out.form = UnicodeForm::kNfkd;
                } else if (type == "Lowercase") {
                  out.kind = Kind::kLowercase;
                } else if (type == "Replace") {
                  out.kind = Kind::kReplace;
                  out.replacement = ParseReplacement(step);
                } else if (type == "Prepend") {
                  out.kind = Kind::kPrepend;
                  out.prefix = step.GetString("prepend");
                } else if (type == "Strip") {
                  out.kind = Kind::kStrip;
                  out.strip_left = step.FindBool("strip_left").value_or(true);
                  out.strip_right = step.FindBool("strip_right").value_or(true);
                } else {
                  FailType(step, type);
                }
                steps.push_back(std::move(out));
              });
  return steps;
}

std::vector<PreTokenizerStep> ParsePreTokenizer(const Json& json, const std::string& file) {
  using Kind = PreTokenizerStep::Kind;
  std::vector<PreTokenizerStep> steps;
  ForEachStep(json, file + ": pre_tokenizer", "pretokenizers",
              [&](const JsonFields& step, const std::string& type) {
                PreTokenizerStep out;
                if (type == "Split") {
                  out = ParseSplit(step);
                } else if (type == "ByteLevel") {
                  out.kind = Kind::kByteLevel;
                  out.add_prefix_space = step.FindBool("add_prefix_space").value_or(true);
                  if (step.FindBool("use_regex").value_or(true)) {
                    out.regex.emplace(kByteLevelPattern, step.name());
                  }
                } else if (type == "Metaspace") {
                  out.kind = Kind::kMetaspace;
                  out.pattern = GetCharacter(step, "replacement");
                  out.prepend = ParsePrepend(step);
                  out.split = step.FindBool("split").value_or(true);
                  out.behavior = SplitBehavior::kMergedWithNext;
                } else if (type == "Digits") {
                  out.kind = Kind::kDigits;
                  const bool single = step.FindBool("individual_digits").value_or(false);
                  out.behavior = single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
                } else {
                  FailType(step, type);
                }
                steps.push_back(std::move(out));
              });
  return steps;
}

std::vector<DecoderStep> ParseDecoder(const Json& json, const std::string& file) {
  using Kind = DecoderStep::Kind;
  constexpr int64_t kMaxStrip = 1 << 16;
  std::vector<DecoderStep> steps;
  ForEachStep(json, file + ": decoder", "decoders",
              [&](const JsonFields& step, const std::string& type) {
                DecoderStep out;
                if (type == "ByteLevel") {
                  out.kind = Kind::kByteLevel;
                } else if (type == "Replace") {
                  out.kind = Kind::kReplace;
                  out.replacement = ParseReplacement(step);
                } else if (type == "ByteFallback") {
                  out.kind = Kind::kByteFallback;
                } else if (type == "Fuse") {
                  out.kind = Kind::kFuse;
                } else if (type == "Strip") {
                  out.kind = Kind::kStrip;
                  out.content = GetCharacter(step, "content");
                  out.strip_start = static_cast<uint64_t>(step.GetInt("start", 0, kMaxStrip));
                  out.strip_stop = static_cast<uint64_t>(step.GetInt("stop", 0, kMaxStrip));
                } else if (type == "Metaspace") {
                  out.kind = Kind::kMetaspace;
                  out.content = GetCharacter(step, "replacement");
                  out.drop_first = ParsePrepend(step) != PrependScheme::kNever;
                } else {
                  FailType(step, type);
                }
                steps.push_back(std::move(out));
              });
  if (json.is_null()) {  // Hugging Face joins the tokens with spaces
    DecoderStep join;
    join.kind = Kind::kJoin;
    steps.push_back(join);
  }
  return steps;
}

}  // namespace inference
