// The parts of tokenizer.json, each from its Json. What is not supported is UNSUPPORTED, naming
// file and part. Used inside src/tokenizer only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/json.h"
#include "tokenizer/decode.h"
#include "tokenizer/normalize.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/text_tokens.h"
#include "tokenizer/tokenizer_scan.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_model.h"
#include "util/error.h"

namespace inference {

// Each takes the field of that name of the root; null is nothing.
std::vector<NormalizerStep> ParseNormalizer(const Json& json, const std::string& file);
std::vector<PreTokenizerStep> ParsePreTokenizer(const Json& json, const std::string& file);
std::vector<DecoderStep> ParseDecoder(const Json& json, const std::string& file);

// The ids that a post-processor puts around a text.
struct SpecialFrame {
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};
SpecialFrame ParsePostProcessor(const Json& json, const Vocabulary& vocabulary,
                                const std::string& file);

// Model: what the scan found beside the vocabulary, and the rest of the object "model".
std::unique_ptr<const WordModel> ParseModel(const JsonFields& model, const TokenizerScan& scan,
                                            TextTokens tokens, bool byte_level);

// Fails with UNSUPPORTED naming step and type.
[[noreturn]] void FailPart(const JsonFields& step, std::string_view type);

std::string GetCharacter(const JsonFields& step, const char* key);  // a field that is one character
constexpr size_t kMaxTextBytes = 1024;  // of a text that is searched for at every place

// LIMIT past kMaxTextBytes.
void CheckLength(const JsonFields& step, const char* key, std::string_view text);
// A field that is text and not empty, at most kMaxTextBytes.
std::string GetText(const JsonFields& step, const char* key, std::string_view by_default);

// Metaspace's prepend_scheme; older files have add_prefix_space instead.
PrependScheme ParsePrepend(const JsonFields& step);

// "pattern": {"String": ...} or {"Regex": ...}, of splits and replacements.
struct PatternField {
  bool is_regex = false;
  std::string text;
};
PatternField ParsePattern(const JsonFields& step);

// Replace, as a normalizer and as a decoder.
Replacement ParseReplacement(const JsonFields& step);

// Calls `visit` for the step or, in order, for those of a Sequence (its list is the field `list`).
// LIMIT past kMaxSteps.
constexpr size_t kMaxSteps = 256;
template <typename Visit>
void ForEachStep(const Json& json, const std::string& name, const char* list, Visit visit) {
  size_t count = 0;
  const auto run = [&](const auto& self, const Json& part, const std::string& part_name) -> void {
    const JsonFields step(part, part_name);
    const std::string type = step.GetString("type");
    if (type != "Sequence") {
      Require(++count <= kMaxSteps, Status::kLimit, "{}: more than {} steps", name, kMaxSteps);
      return visit(step, type);
    }
    const Json* parts = step.FindArray(list);
    Require(parts != nullptr, Status::kFormat, "{}: {}: is missing, expected an array", part_name,
            list);
    for (size_t i = 0; i < parts->size(); ++i) {
      self(self, (*parts)[i], fmt::format("{}[{}]", part_name, i));
    }
  };
  if (!json.is_null()) run(run, json, name);
}

}  // namespace inference
