// Tokenizers in GGUF metadata, small ones made here.
#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/tokenizer.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;
using Strings = std::vector<std::string>;
using Values = std::vector<std::pair<std::string, GgufMetadata::Value>>;

// `values` under tokenizer.ggml., later ones in place of earlier ones.
GgufMetadata Metadata(const Values& base, const Values& values) {
  GgufMetadata metadata("m.gguf");
  for (size_t i = values.size(); i-- > 0;)
    metadata.Set("tokenizer.ggml." + values[i].first, values[i].second);
  for (const auto& [key, value] : base) {
    if (!metadata.Has("tokenizer.ggml." + key)) metadata.Set("tokenizer.ggml." + key, value);
  }
  return metadata;
}

// Ids 0..255: the bytes; 256 "he", 257 "Ġhe", 258 "<|im_end|>" (control), 259 "<tool>".
Values ByteLevel() {
  Strings tokens;
  std::vector<int64_t> types(256, 1);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    tokens.emplace_back();
    ByteAlphabet::Get().Encode({&c, 1}, TextWork(), tokens.back());
  }
  for (const char* text : {"he", "Ġhe", "<|im_end|>", "<tool>"}) tokens.emplace_back(text);
  types.insert(types.end(), {1, 1, 3, 4});
  return {{"model", std::string("gpt2")},
          {"pre", std::string("smollm")},
          {"tokens", tokens},
          {"token_type", types},
          {"merges", Strings{"h e", "Ġ he"}},
          {"bos_token_id", int64_t{258}},
          {"eos_token_id", int64_t{258}}};
}

// Spaces, two ways to cut "abc", a tie, byte tokens 'A' and 0xC3 0xA9.
Values SentencePiece() {
  const Strings tokens = {"<unk>", "<s>",    "</s>", "<0x41>", "<0xC3>", "<0xA9>",  "a", "b",
                          "c",     "\u2581", "ab",   "bc",     "aa",     "\u2581a", "  "};
  const std::vector<int64_t> types = {2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 4};
  const std::vector<double> scores = {0, 0, 0, 0, 0, 0, -9, -9, -9, -9, -2, -1, -3, -4, -1000};
  return {{"model", std::string("llama")},
          {"tokens", tokens},
          {"token_type", types},
          {"scores", scores},
          {"bos_token_id", int64_t{1}},
          {"eos_token_id", int64_t{2}},
          {"unknown_token_id", int64_t{0}},
          {"add_space_prefix", false}};
}

std::shared_ptr<const Tokenizer> Load(const Values& base, const Values& values = {}) {
  return LoadTokenizerGguf(Metadata(base, values));
}

void ExpectBad(Status status, std::initializer_list<std::string_view> parts, const Values& base,
               const Values& values) {
  ExpectError(status, parts, [&] { Load(base, values); });
}

TEST(TokenizerGguf, ByteLevelBpe) {
  const auto tokenizer = Load(ByteLevel());
  EXPECT_EQ(tokenizer->Encode("he he1<|im_end|><tool>", {}), (Ids{256, 257, '1', 258, 259}));
  EXPECT_EQ(tokenizer->Encode("<|im_end|>", {.parse_special = false}).size(), 10u);
  EXPECT_EQ(tokenizer->Encode("<tool>", {.parse_special = false}), (Ids{259}));
  EXPECT_EQ(tokenizer->Encode("\xFF", {}), (Ids{0xEF, 0xBF, 0xBD}));  // U+FFFD
  EXPECT_EQ(tokenizer->Decode(Ids{257, 258, 0xC3, 0xA9, 0xC3}, false), " he<|im_end|>é\uFFFD");
  EXPECT_EQ(tokenizer->Decode(Ids{257, 258}, true), " he");
  EXPECT_EQ(tokenizer->TokenBytes(257), " he");
  EXPECT_EQ(tokenizer->TokenBytes(0xC3), "\xC3");
  EXPECT_EQ(tokenizer->TokenText(257), "Ġhe");
  EXPECT_EQ(tokenizer->end_ids(), (Ids{258}));
}

TEST(TokenizerGguf, BosAndEosAroundTheText) {
  EXPECT_EQ(Load(ByteLevel(), {{"add_bos_token", true}, {"add_eos_token", true}})->Encode("he", {}),
            (Ids{258, 256, 258}));
  EXPECT_EQ(Load(ByteLevel(), {{"pre", std::string("llama-bpe")}})->Encode("he", {}),
            (Ids{258, 256}));
  EXPECT_EQ(Load(SentencePiece())->Encode("a", {}), (Ids{1, 6}));
  EXPECT_EQ(Load(SentencePiece(), {{"add_bos_token", false}})->Encode("a", {}), (Ids{6}));
  EXPECT_EQ(Load(SentencePiece())->Encode("a", {.add_special = false}), (Ids{6}));
}

TEST(TokenizerGguf, SentencePieceMergesByScoreThenFromTheLeft) {
  const auto tokenizer = Load(SentencePiece());
  const EncodeOptions plain{.add_special = false};
  EXPECT_EQ(tokenizer->Encode("abc", plain), (Ids{6, 11}));  // "bc" scores better than "ab"
  EXPECT_EQ(tokenizer->Encode("aaa", plain), (Ids{12, 6}));  // a tie: the left pair
  EXPECT_EQ(tokenizer->Encode(" a", plain), (Ids{13}));
  EXPECT_EQ(tokenizer->Encode("  a", plain), (Ids{14, 6}));  // user-defined first
  EXPECT_EQ(tokenizer->Encode("\u2581 a", plain), (Ids{14, 6}));
  EXPECT_EQ(tokenizer->Encode("Aé", plain), (Ids{3, 4, 5}));  // bytes
  EXPECT_EQ(tokenizer->Encode("zz", plain), (Ids{0, 0}));     // no byte token for 'z'
  EXPECT_EQ(tokenizer->Encode("<s>a</s>", plain), (Ids{1, 6, 2}));
  EXPECT_EQ(tokenizer->Decode(Ids{1, 13, 3, 4, 5}, true), " aAé");
  EXPECT_EQ(tokenizer->Decode(Ids{4, 3}, true), "\uFFFD\uFFFD");  // bytes that are not UTF-8
  EXPECT_EQ(tokenizer->TokenBytes(4), "\xC3");
  EXPECT_EQ(tokenizer->TokenBytes(13), " a");
}

TEST(TokenizerGguf, SpacePrefixIsAddedAndTakenOff) {
  const auto tokenizer = Load(SentencePiece(), {{"add_space_prefix", true}});
  EXPECT_EQ(tokenizer->Encode("a", {}), (Ids{1, 13}));
  EXPECT_EQ(tokenizer->Decode(Ids{1, 13, 13}, true), "a a");
  EXPECT_EQ(tokenizer->Decode(Ids{1, 13}, false), "<s> a");
}

TEST(TokenizerGguf, EndIdsFromKeysAndNames) {
  const auto tokenizer =
      Load(SentencePiece(), {{"eos_token_id", int64_t{6}}, {"eot_token_id", int64_t{8}}});
  EXPECT_EQ(tokenizer->end_ids(), (Ids{2, 6, 8}));  // "</s>" by its name
}

// The words that a pre-tokenizer name cuts a text into.
Strings WordsOf(std::string_view pre, const std::string& text) {
  std::vector<PreTokenizerStep> steps = FindGgufPre(pre, "m.gguf").pre_tokenizer;
  EXPECT_EQ(steps.back().kind, PreTokenizerStep::Kind::kByteLevel);
  steps.pop_back();
  TextWork work;
  const Words words = PreTokenizer(std::move(steps)).Apply(text, work);
  Strings out;
  for (const TextRange& r : words.ranges) {
    out.push_back(words.text.substr(r.begin, r.end - r.begin));
  }
  return out;
}

TEST(TokenizerGguf, PreTokenizersCutAsTheirFamiliesDo) {
  const std::string text = "It's  2024,\nnaïve`日本` x=1";
  EXPECT_EQ(WordsOf("gpt-2", text), (Strings{"It", "'s", " ", " 2024", ",", "\n", "naïve", "`",
                                             "日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("smollm", text), (Strings{"It", "'s", "  ", "2", "0", "2", "4", ",", "\n",
                                              "naïve", "`", "日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("llama-bpe", text), (Strings{"It", "'s", " ", " ", "202", "4", ",\n", "naïve",
                                                 "`日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("qwen2", text), (Strings{"It", "'s", " ", " ", "2", "0", "2", "4", ",\n",
                                             "naïve", "`日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("qwen35", "e\u0301a\u0301"), (Strings{"e\u0301a\u0301"}));
  EXPECT_EQ(WordsOf("deepseek-v3", text), (Strings{"It", "'s", "  ", "202", "4", ",\n", "naïve",
                                                   "`", "日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("deepseek-llm", text), (Strings{"It", "'", "s", "  ", "2024", ",", "\n", "na",
                                                    "ï", "ve", "`", "日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("deepseek-coder", text),
            (Strings{"It", "'", "s", "  ", "2", "0", "2", "4", ",", "\n", "naïve", "`", "日本", "`",
                     " x", "=", "1"}));
  EXPECT_EQ(WordsOf("falcon", text), (Strings{"It", "'", "s", " ", " ", "202", "4", ",", "\n",
                                              "naïve", "`", "日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("tekken", text), (Strings{"It", "'s", " ", " ", "2", "0", "2", "4", ",\n",
                                              "naïve", "`日本", "`", " x", "=", "1"}));
  EXPECT_EQ(WordsOf("bloom", "Hi, you (ok)"), (Strings{"Hi", ",", " you", " (", "ok", ")"}));
}

TEST(TokenizerGguf, EveryPreTokenizerKeepsTheText) {
  const std::string text =
      "I'll  pay 12345.6789 €\r\n\tnaïve e\u0301 日本語 👩‍👩‍👧 (x+y)==`z`";
  for (const char* pre : {"default",       "gpt-2",
                          "phi-2",         "mpt",
                          "olmo",          "smollm",
                          "starcoder",     "refact",
                          "command-r",     "codeshell",
                          "exaone",        "llama-bpe",
                          "llama3",        "llama-v3",
                          "falcon3",       "lfm2",
                          "dbrx",          "smaug-bpe",
                          "chatglm-bpe",   "glm4",
                          "qwen2",         "deepseek-r1-qwen",
                          "megrez",        "stablelm2",
                          "hunyuan",       "deepseek-v3",
                          "hunyuan-dense", "gpt-4o",
                          "llama4",        "tekken",
                          "pixtral",       "falcon",
                          "deepseek-llm",  "deepseek-coder",
                          "exaone4",       "jais",
                          "trillion",      "granite-docling",
                          "gigachat",      "a.x-4.0",
                          "mellum",        "minerva-7b",
                          "mellum2",       "falcon-h1",
                          "midm-2.0",      "qwen35",
                          "kormo",         "grok-2",
                          "solar-open",    "joyai-llm",
                          "minicpm5",      "seed-coder",
                          "bailingmoe",    "bailingmoe2",
                          "llada-moe",     "bloom",
                          "poro-chat",     "gpt3-finnish",
                          "viking",        "minimax-m2",
                          "kanana2"}) {
    std::string all;
    for (const std::string& word : WordsOf(pre, text)) all += word;
    EXPECT_EQ(all, text) << pre;
  }
}

TEST(TokenizerGguf, MissingAndUnsupportedKeys) {
  ExpectError(Status::kFormat, {"m.gguf", "tokenizer.ggml.model"},
              [] { LoadTokenizerGguf(GgufMetadata("m.gguf")); });
  ExpectBad(Status::kUnsupported, {"tokenizer.ggml.model: 't5'"}, ByteLevel(),
            {{"model", std::string("t5")}});
  ExpectBad(Status::kUnsupported, {"m.gguf: tokenizer.ggml.pre: 'martian' is not supported"},
            ByteLevel(), {{"pre", std::string("martian")}});
  ExpectError(Status::kFormat, {"tokenizer.ggml.tokens: is missing"}, [] {
    LoadTokenizerGguf(Metadata({{"model", std::string("gpt2")}}, {}));
  });
  ExpectError(Status::kFormat, {"tokenizer.ggml.merges: is missing"}, [] {
    LoadTokenizerGguf(Metadata({{"model", std::string("gpt2")}, {"tokens", Strings{"a"}}}, {}));
  });
}

TEST(TokenizerGguf, ArraysThatDoNotFit) {
  ExpectBad(Status::kFormat, {"token_type: has 2 elements, expected 260"}, ByteLevel(),
            {{"token_type", std::vector<int64_t>{1, 1}}});
  ExpectBad(Status::kFormat, {"scores: has 1 elements, expected 15"}, SentencePiece(),
            {{"scores", std::vector<double>{1}}});
  ExpectBad(Status::kFormat, {"token_type: element 0 is 9"}, SentencePiece(),
            {{"token_type", std::vector<int64_t>(15, 9)}});
  ExpectBad(Status::kFormat, {"scores: element 0 is NaN"}, SentencePiece(),
            {{"scores", std::vector<double>(15, std::nan(""))}});
  ExpectBad(Status::kFormat, {"vocabulary is empty"}, ByteLevel(),
            {{"tokens", Strings{}}, {"token_type", std::vector<int64_t>{}}});
}

TEST(TokenizerGguf, BadContents) {
  ExpectBad(Status::kFormat, {"eos_token_id"}, ByteLevel(), {{"eos_token_id", int64_t{260}}});
  ExpectBad(Status::kFormat, {"merge #0 is 'he'"}, ByteLevel(), {{"merges", Strings{"he"}}});
  ExpectBad(Status::kFormat, {"merge #1", "'x' + 'y'", "whole"}, ByteLevel(),
            {{"merges", Strings{"h e", "x y"}}});
  ExpectBad(Status::kFormat, {"tokens: element 0 is '\\xff', expected UTF-8"}, SentencePiece(),
            {{"tokens", Strings(15, "\xFF")}});
  ExpectBad(Status::kFormat, {"tokens: element 0 is '<0x1>', expected a byte"}, SentencePiece(),
            {{"tokens", Strings(15, "<0x1>")}, {"token_type", std::vector<int64_t>(15, 6)}});
  ExpectBad(Status::kFormat, {"add_bos_token: is true, but tokenizer.ggml.bos_token_id is missing"},
            {{"model", std::string("gpt2")}, {"tokens", Strings{"a"}}, {"merges", Strings{}}},
            {{"add_bos_token", true}});
}

TEST(TokenizerGguf, LongTokens) {
  const auto load = [](size_t size) {
    Values values = SentencePiece();
    std::get<Strings>(values[1].second)[10] = std::string(size, 'a');
    return Load(values);
  };
  EXPECT_EQ(load(1024)->TokenText(10).size(), 1024u);
  ExpectError(Status::kLimit,
              {"m.gguf: tokenizer.ggml.tokens: element 10 has 1025 bytes, expected at most 1024"},
              [&] { load(1025); });
}

TEST(TokenizerGguf, RepeatedTokensKeepTheirIds) {
  const auto tokenizer = Load(
      {{"model", std::string("gpt2")}, {"tokens", Strings{"a", "b", "a"}}, {"merges", Strings{}}});
  EXPECT_EQ(tokenizer->Encode("ab", {}), (Ids{0, 1}));
  EXPECT_EQ(tokenizer->Decode(Ids{2, 1}, true), "ab");
}

}  // namespace
}  // namespace inference
