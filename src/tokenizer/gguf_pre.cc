#include "tokenizer/gguf_pre.h"

#include <array>

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
constexpr std::string_view kQwen35 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kMiniCpm5 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kSeedCoder =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}"
    "| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kBailing =
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
constexpr std::string_view kBloom = " ?[^(\\s|.,!?…。，、।۔،)]+";
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
constexpr std::string_view kLineBreak = "[\\r\\n]";
constexpr std::string_view kDeepSeekLetters =  // those with case, as of Unicode 11
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}"
    "\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}"
    "\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}"
    "\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}"
    "\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}"
    "\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"
    "\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}"
    "\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}"
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}"
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}"
    "\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}"
    "\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}"
    "\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}"
    "\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+";
constexpr std::string_view kDeepSeekSigns =
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+";
constexpr std::string_view kTrailingSpace = "\\s+$";
constexpr std::string_view kDeepSeekCjk =
    "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+";
constexpr std::string_view kSpaceLetters = "\\s?\\p{L}+";
constexpr std::string_view kSpacePunctuation = "\\s?\\p{P}+";
constexpr std::string_view kFalconPunctuation = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
// What GGUF files of unnamed BPE models are read with, by convention.
constexpr std::string_view kPunctuation = "[\\p{P}\\$\\+<=>\\^~\\|]+";
constexpr std::string_view kDigits = "\\p{N}+";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";

struct Row {
  std::string_view name;
  std::array<std::string_view, 6> patterns;  // applied in turn, each match a word; "" ends them
  bool nfc;
  bool ignore_merges;
  bool add_bos;
};

const std::array<Row, 61> kRows = {{
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
    {"falcon", {kFalconPunctuation, kByteLevelPattern, kThreeDigits}, false, false, false},
    {"deepseek-llm",
     {kLineBreak, kDeepSeekLetters, kDeepSeekSigns, kTrailingSpace, kDeepSeekCjk, kDigits},
     false,
     false,
     false},
    {"deepseek-coder",
     {kLineBreak, kSpaceLetters, kSpacePunctuation, kDeepSeekCjk, kDigit},
     false,
     false,
     false},
    {"exaone4", {kByteLevelPattern}, false, false, false},
    {"jais", {kByteLevelPattern}, false, false, false},
    {"trillion", {kByteLevelPattern}, false, false, false},
    {"granite-docling", {kByteLevelPattern}, false, false, false},
    {"gigachat", {kByteLevelPattern}, false, false, false},
    {"a.x-4.0", {kByteLevelPattern}, false, false, false},
    {"mellum", {kByteLevelPattern}, false, false, false},
    {"minerva-7b", {kDigit, kByteLevelPattern}, false, false, false},
    {"mellum2", {kDigit, kByteLevelPattern}, false, false, false},
    {"falcon-h1", {kLlama3}, false, true, true},
    {"midm-2.0", {kLlama3}, false, true, true},
    {"qwen35", {kQwen35}, true, false, false},
    {"kormo", {kQwen2}, false, false, false},
    {"grok-2", {kQwen2}, false, false, false},
    {"solar-open", {kQwen2}, false, false, false},
    {"joyai-llm", {kUpTo3Digits, kCjk, kDeepSeek3}, false, false, false},
    {"minicpm5", {kUpTo3Digits, kMiniCpm5}, false, true, false},
    {"seed-coder", {kSeedCoder}, false, false, false},
    {"bailingmoe", {kBailing}, false, false, false},
    {"bailingmoe2", {kBailing}, false, false, false},
    {"llada-moe", {kBailing}, false, false, false},
    {"bloom", {kBloom}, false, false, false},
    {"poro-chat", {kBloom}, false, false, false},
    {"gpt3-finnish", {kBloom}, false, false, false},
    {"viking", {kBloom, kDigit}, false, false, false},
    {"minimax-m2", {kGpt4o}, false, false, false},
    {"kanana2", {kGpt4o}, false, false, false},
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
