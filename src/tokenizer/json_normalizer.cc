// "normalizer" of tokenizer.json.
#include "tokenizer/json_parts.h"
#include "util/error.h"

namespace inference {

namespace {

using Kind = NormalizerStep::Kind;

std::optional<UnicodeForm> FindForm(std::string_view type) {
  if (type == "NFC") return UnicodeForm::kNfc;
  if (type == "NFD") return UnicodeForm::kNfd;
  if (type == "NFKC") return UnicodeForm::kNfkc;
  if (type == "NFKD") return UnicodeForm::kNfkd;
  return std::nullopt;
}

BertOptions ParseBert(const JsonFields& step) {
  BertOptions out;
  out.clean_text = step.FindBool("clean_text").value_or(true);
  out.split_chinese = step.FindBool("handle_chinese_chars").value_or(true);
  out.lowercase = step.FindBool("lowercase").value_or(true);
  out.strip_accents = step.FindBool("strip_accents").value_or(out.lowercase);
  return out;
}

NormalizerStep ParseStep(const JsonFields& step, const std::string& type) {
  NormalizerStep out;
  if (const std::optional<UnicodeForm> form = FindForm(type)) {
    out.kind = Kind::kUnicode;
    out.form = *form;
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
  } else if (type == "StripAccents") {
    out.kind = Kind::kStripAccents;
  } else if (type == "Nmt") {
    out.kind = Kind::kNmt;
  } else if (type == "ByteLevel") {
    out.kind = Kind::kByteLevel;
  } else if (type == "BertNormalizer") {
    out.kind = Kind::kBert;
    out.bert = ParseBert(step);
  } else if (type == "Precompiled") {
    out.kind = Kind::kCharsMap;
    out.charsmap =
        std::make_shared<const CharsMap>(step.GetString("precompiled_charsmap"), step.name());
  } else {
    FailPart(step, type);
  }
  return out;
}

}  // namespace

std::vector<NormalizerStep> ParseNormalizer(const Json& json, const std::string& file) {
  std::vector<NormalizerStep> steps;
  ForEachStep(json, file + ": normalizer", "normalizers",
              [&](const JsonFields& step, const std::string& type) {
                steps.push_back(ParseStep(step, type));
              });
  return steps;
}

}  // namespace inference
