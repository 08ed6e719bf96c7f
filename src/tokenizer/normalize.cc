#include "tokenizer/normalize.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

std::string_view StripSpaces(std::string_view text, bool left, bool right) {
  size_t begin = 0;
  size_t end = 0;  // after the last character that stays
  bool leading = true;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    at += c.length;
    const bool space = IsWhiteSpace(c.code_point);
    if (leading && space) begin = at;
    if (!space) {
      leading = false;
      end = at;
    }
  }
  if (!left) begin = 0;
  if (!right) end = text.size();
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

}  // namespace

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to,
                       const TextWork& work) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string_view::npos;) {
    out.append(text, at, found - at).append(to);
    at = found + from.size();
    work.CheckSize(out.size());
  }
  return out.append(text, at);
}

Replacement::Replacement(std::string pattern, std::string content)
    : pattern_(std::move(pattern)), content_(std::move(content)) {}

Replacement::Replacement(Regex pattern, std::string content)
    : regex_(std::move(pattern)), content_(std::move(content)) {}

std::string Replacement::Apply(std::string_view text, TextWork& work) const {
  if (!regex_) {
    if (content_.empty() && text.starts_with(pattern_)) work.at_start = false;
    return ReplaceAll(text, pattern_, content_, work);
  }
  std::vector<TextRange> matches;
  regex_->FindAll(text, work, matches);
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (const TextRange& match : matches) {
    if (match.begin == 0 && match.end > 0 && content_.empty()) work.at_start = false;
    out.append(text, at, match.begin - at).append(content_);
    at = match.end;
    work.CheckSize(out.size());
  }
  return out.append(text, at);
}

std::string Normalizer::Apply(std::string_view text, TextWork& work) const {
  std::string out(text);
  for (const NormalizerStep& step : steps_) {
    out = ApplyStep(step, std::move(out), work);
    work.CheckSize(out.size());
  }
  return out;
}

std::string Normalizer::ApplyStep(const NormalizerStep& step, std::string text, TextWork& work) {
  switch (step.kind) {
    case NormalizerStep::Kind::kUnicode:
      return ToUnicodeForm(text, step.form, work);
    case NormalizerStep::Kind::kLowercase:
      return ToLowercase(text, work);
    case NormalizerStep::Kind::kReplace:
      return step.replacement->Apply(text, work);
    case NormalizerStep::Kind::kPrepend:
      return text.empty() ? text : step.prefix + text;
    case NormalizerStep::Kind::kStrip: {
      const std::string_view kept = StripSpaces(text, step.strip_left, step.strip_right);
      if (kept.data() != text.data()) work.at_start = false;
      return std::string(kept);
    }
    case NormalizerStep::Kind::kStripAccents:
      return StripAccents(text, work);
    case NormalizerStep::Kind::kNmt:
      return NmtFilter(text, work);
    case NormalizerStep::Kind::kBert:
      return BertNormalize(text, step.bert, work);
    case NormalizerStep::Kind::kByteLevel: {
      std::string out;
      ByteAlphabet::Get().Encode(text, work, out);
      return out;
    }
    case NormalizerStep::Kind::kCharsMap:
      return step.charsmap->Apply(text, work);
  }
  return text;
}

}  // namespace inference
