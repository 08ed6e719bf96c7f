#include "tokenizer/normalize.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

void CheckSize(size_t bytes) {
  Require(bytes <= kMaxNormalizedBytes, Status::kLimit,
          "tokenizer: normalizing makes more than {} bytes", kMaxNormalizedBytes);
}

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

std::string Replacement::Apply(std::string_view text, RegexScratch& scratch) const {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  if (regex_) {
    std::vector<TextRange> matches;
    regex_->FindAll(text, scratch, matches);
    for (const TextRange& match : matches) {
      out.append(text, at, match.begin - at).append(content_);
      at = match.end;
      CheckSize(out.size());
    }
  } else {
    for (size_t found; (found = text.find(pattern_, at)) != std::string_view::npos;) {
      out.append(text, at, found - at).append(content_);
      at = found + pattern_.size();
      CheckSize(out.size());
    }
  }
  return out.append(text, at);
}

std::string Normalizer::Apply(std::string_view text, RegexScratch& scratch) const {
  std::string out(text);
  for (const NormalizerStep& step : steps_) {
    out = ApplyStep(step, std::move(out), scratch);
    CheckSize(out.size());
  }
  return out;
}

std::string Normalizer::ApplyStep(const NormalizerStep& step, std::string text,
                                  RegexScratch& scratch) {
  switch (step.kind) {
    case NormalizerStep::Kind::kUnicode:
      return ToUnicodeForm(text, step.form);
    case NormalizerStep::Kind::kLowercase:
      return ToLowercase(text);
    case NormalizerStep::Kind::kReplace:
      return step.replacement->Apply(text, scratch);
    case NormalizerStep::Kind::kPrepend:
      return text.empty() ? text : step.prefix + text;
    case NormalizerStep::Kind::kStrip:
      return std::string(StripSpaces(text, step.strip_left, step.strip_right));
    case NormalizerStep::Kind::kStripAccents:
      return StripAccents(text);
    case NormalizerStep::Kind::kNmt:
      return NmtFilter(text);
    case NormalizerStep::Kind::kBert:
      return BertNormalize(text, step.bert);
    case NormalizerStep::Kind::kByteLevel: {
      std::string out;
      ByteAlphabet::Get().Encode(text, out);
      return out;
    }
    case NormalizerStep::Kind::kCharsMap:
      return step.charsmap->Apply(text);
  }
  return text;
}

}  // namespace inference
