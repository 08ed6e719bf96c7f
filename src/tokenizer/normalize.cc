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

Replacement::Replacement(std::string pattern, std::string content)
    : pattern_(std::move(pattern)), content_(std::move(content)) {}

Replacement::Replacement(Regex pattern, std::string content)
    : regex_(std::move(pattern)), content_(std::move(content)) {}

std::string Replacement::Apply(std::string_view text, TextWork& work) const {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  const auto replace = [&](size_t begin, size_t end) {
    if (begin == 0 && end > 0 && content_.empty()) work.at_start = false;
    out.append(text, at, begin - at).append(content_);
    at = end;
    work.CheckSize(out.size());
  };
  if (regex_) {
    std::vector<TextRange> matches;
    regex_->FindAll(text, work, matches);
    for (const TextRange& match : matches) replace(match.begin, match.end);
  } else {
    for (size_t found; (found = text.find(pattern_, at)) != std::string_view::npos;) {
      replace(found, found + pattern_.size());
    }
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
