// "decoder" of tokenizer.json.
#include "tokenizer/json_parts.h"
#include "util/error.h"

namespace inference {

namespace {

using Kind = DecoderStep::Kind;

constexpr int64_t kMaxStrip = 1 << 16;

DecoderStep ParseStep(const JsonFields& step, const std::string& type) {
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
  } else if (type == "WordPiece") {
    out.kind = Kind::kWordPiece;
    out.content = step.FindString("prefix").value_or("##");
    out.cleanup = step.FindBool("cleanup").value_or(true);
  } else if (type == "BPEDecoder") {
    out.kind = Kind::kSuffix;
    out.content = GetText(step, "suffix", "</w>");
  } else if (type == "CTC") {
    out.kind = Kind::kCtc;
    out.content = GetText(step, "pad_token", "<pad>");
    out.word_delimiter = GetText(step, "word_delimiter_token", "|");
    out.cleanup = step.FindBool("cleanup").value_or(true);
  } else {
    FailPart(step, type);
  }
  return out;
}

}  // namespace

std::vector<DecoderStep> ParseDecoder(const Json& json, const std::string& file) {
  std::vector<DecoderStep> steps;
  ForEachStep(json, file + ": decoder", "decoders",
              [&](const JsonFields& step, const std::string& type) {
                steps.push_back(ParseStep(step, type));
              });
  if (json.is_null()) {  // Hugging Face joins the tokens with spaces
    DecoderStep join;
    join.kind = Kind::kJoin;
    steps.push_back(join);
  }
  return steps;
}

}  // namespace inference
