#include "tokenizer/gguf_pre.h"

#include <array>
#include <initializer_list>

#include "util/error.h"

namespace inference {

namespace {

// The patterns are those of each family's own tokenizer.json.
constexpr std::string_view kLlama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kQwen2 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kGpt4o =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kTekken =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kDigit = "\\p{N}";
constexpr std::string_view kUpTo3Digits = "\\p{N}{1,3}";
constexpr std::string_view kCjk = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kDeepSeek3 =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
// What GGUF files of unnamed BPE models are read with, by convention.
constexpr std::string_view kPunctuation = "[\\p{P}\\$\\+<=>\\^~\\|]+";
constexpr std::string_view kDigits = "\\p{N}+";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";

struct Row {
  std::string_view name;
  std::array<std::string_view, 4> patterns;  // applied in turn, each match a word; "" ends them
  bool nfc;
  bool ignore_merges;
  bool add_bos;
};

const std::array<Row, 31> kRows = {{
    {"default", {kPunctuation, kByteLevelPattern, kDigits, kThreeDigits}, false, false, false},
    {"gpt-2", {kByteLevelPattern}, false, false, false},
    {"phi-2", {kByteLevelPattern}, false, false, false},
    {"mpt", {kByteLevelPattern}, true, false, false},
    {"olmo", {kByteLevelPattern}, true, false, false},
    {"smollm", {kDigit, kByteLevelPattern}, false, false, false},
    {"starcoder", {kDigit, kByteLevelPattern}, false, false, false},
    {"refact", {kDigit, kByteLevelPattern}, false, false, false},
    {"command-r", {kDigit, kByteLevelPattern}, true, false, false},
    {"codeshell", {kDigit, kByteLevelPattern}, false, false, false},
    {"exaone", {kDigit, kByteLevelPattern}, false, false, false},
    {"llama-bpe", {kLlama3}, false, true, true},
    {"llama3", {kLlama3}, false, true, true},
    {"llama-v3", {kLlama3}, false, true, true},
    {"falcon3", {kLlama3}, false, true, true},
    {"lfm2", {kLlama3}, false, true, true},
    {"dbrx", {kLlama3}, false, false, false},
    {"smaug-bpe", {kLlama3}, false, false, false},
    {"chatglm-bpe", {kLlama3}, false, false, false},
    {"glm4", {kLlama3}, false, false, false},
    {"qwen2", {kQwen2}, true, false, false},
    {"deepseek-r1-qwen", {kQwen2}, true, false, false},
    {"megrez", {kQwen2}, false, false, false},
    {"stablelm2", {kQwen2}, false, false, false},
    {"hunyuan", {kQwen2}, false, false, false},
    {"deepseek-v3", {kUpTo3Digits, kCjk, kDeepSeek3}, false, false, false},
    {"hunyuan-dense", {kUpTo3Digits, kCjk, kDeepSeek3}, false, false, false},
    {"gpt-4o", {kGpt4o}, false, false, false},
    {"llama4", {kGpt4o}, false, false, true},
    {"tekken", {kTekken}, false, true, true},
    {"pixtral", {kTekken}, false, true, true},
}};

}  // namespace

GgufPre FindGgufPre(std::string_view pre, const std::string& path) {
  for (const Row& row : kRows) {
    if (row.name != pre) continue;
    GgufPre out;
    out.ignore_merges = row.ignore_merges;
    out.add_bos = row.add_bos;
    if (row.nfc) {
      NormalizerStep step;
      step.kind = NormalizerStep::Kind::kUnicode;
      step.form = UnicodeForm::kNfc;
      out.normalizer.push_back(step);
    }
    for (const std::string_view pattern : row.patterns) {
      if (pattern.empty()) break;
      PreTokenizerStep step;
      step.kind = PreTokenizerStep::Kind::kSplitRegex;
      step.regex.emplace(pattern, fmt::format("{}: tokenizer.ggml.pre {}", path, pre));
      out.pre_tokenizer.push_back(std::move(step));
    }
    PreTokenizerStep bytes;
    bytes.kind = PreTokenizerStep::Kind::kByteLevel;
    out.pre_tokenizer.push_back(std::move(bytes));
    return out;
  }
  Fail(Status::kUnsupported, "{}: tokenizer.ggml.pre: {} is not supported", path, Quote(pre));
}

}  // namespace inference
