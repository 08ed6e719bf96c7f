// Malformed tokenizers and texts, case by case: the right status, a message that names file, field
// and value, and no lasting harm: a good file loads next. No small file takes much memory.
#include <gtest/gtest.h>

#include "formats/json.h"
#include "support/expect_error.h"
#include "support/peak_memory.h"
#include "support/temp_dir.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;
using Parts = std::initializer_list<std::string_view>;

constexpr size_t kMebibyte = 1 << 20;

Json Valid() {
  return Json::parse(R"({
    "added_tokens": [{"id": 6, "content": "<s>", "special": true}],
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": "<unk>",
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
              "merges": ["a b", "ab c"]}})");
}

Json ValidUnigram() {
  return Json::parse(R"({
    "decoder": {"type": "Fuse"},
    "model": {"type": "Unigram", "unk_id": 0,
              "vocab": [["<unk>", 0], ["a", -1], ["b", -1.5], ["ab", -2.25]]}})");
}

std::string Join(Parts parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

std::shared_ptr<const Tokenizer> LoadText(const std::string& text) {
  TempDir folder;
  folder.Write("tokenizer.json", text);
  return LoadTokenizerFolder(folder.path());
}

std::shared_ptr<const Tokenizer> Load(const Json& json) { return LoadText(json.dump()); }

// The text fails to load with that status and message; then a good one loads. All of that takes at
// most 64 MiB.
void ExpectBadText(Status status, Parts parts, const std::string& text) {
  SCOPED_TRACE(text.substr(0, 300));
  const PeakMemory memory;
  std::shared_ptr<const Tokenizer> out;
  ExpectError(status, {"tokenizer.json"}, [&] { out = LoadText(text); });
  ExpectError(status, parts, [&] { out = LoadText(text); });
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(Load(Valid())->Encode("abc", {}), Ids{5});
  if (kMemoryIsTold) {
    EXPECT_LE(memory.GrownKib(), 64u << 10);
  }
}

void ExpectBadPatch(Status status, Parts parts, Json base, const std::string& patch) {
  base.merge_patch(Json::parse(patch));
  ExpectBadText(status, parts, base.dump());
}

void ExpectBad(Status status, Parts parts, const std::string& patch) {
  ExpectBadPatch(status, parts, Valid(), patch);
}

void ExpectBadUnigram(Status status, Parts parts, const std::string& patch) {
  ExpectBadPatch(status, parts, ValidUnigram(), patch);
}

std::string Vocabulary(std::string_view entry) {
  return Join({R"({"model": {"vocab": {)", entry, "}}}"});
}

// ---- TK01: ids ----

TEST(MalformedIds, HugeNegativeAndFractional) {
  ExpectBad(Status::kLimit, {"token 'd': id is 2147483647, expected an integer 0..4194303"},
            Vocabulary(R"("d": 2147483647)"));
  ExpectBadText(Status::kLimit, {"token 'd': id is 2147483647"},
                R"({"model":{"vocab":{"d":2147483647},"merges":[]}})");
  ExpectBad(Status::kFormat, {"token 'd': id is -1"}, Vocabulary(R"("d": -1)"));
  ExpectBad(Status::kLimit, {"token 'd': id is 9223372036854775807"},
            Vocabulary(R"("d": 9223372036854775807)"));
  ExpectBad(Status::kFormat, {"token 'd' has no integer id"}, Vocabulary(R"("d": 7.5)"));
  ExpectBad(Status::kFormat, {"token 'd' has no integer id"}, Vocabulary(R"("d": "7")"));
  ExpectBad(Status::kFormat, {"added_tokens[0]: id: is -1, expected integer 0..4194303"},
            R"({"added_tokens": [{"id": -1, "content": "x"}]})");
  ExpectBad(Status::kFormat, {"added_tokens[0]: id: is 4294967296"},
            R"({"added_tokens": [{"id": 4294967296, "content": "x"}]})");
}

TEST(MalformedIds, DuplicatesAndGaps) {
  ExpectBad(Status::kFormat, {"'c' and 'd' have the same id 3"}, Vocabulary(R"("d": 3)"));
  ExpectBad(Status::kFormat, {"token 'd': id is 8", "8 tokens"}, Vocabulary(R"("d": 8)"));
  ExpectBadText(Status::kFormat, {"token 'a': has the ids 0 and 1, expected one"},
                R"({"model": {"vocab": {"a": 0, "a": 1}, "merges": []}})");
  ExpectBadText(Status::kFormat, {"token 'a': has the ids 0 and 1, expected one"},
                R"({"model": {"type": "Unigram", "vocab": [["a", 0], ["a", 1]]}})");
}

TEST(MalformedIds, EmptyVocabularies) {
  ExpectBadText(Status::kFormat, {"vocabulary is empty"},
                R"({"model": {"vocab": {}, "merges": []}})");
  ExpectBadText(Status::kFormat, {"vocabulary is empty"},
                R"({"model": {"type": "Unigram", "vocab": []}})");
  ExpectBadText(Status::kFormat, {"model: vocab: is missing"},
                R"({"model": {"type": "WordLevel", "unk_token": "x"}})");
}

TEST(MalformedIds, MoreTokensThanAnyModelHas) {
  std::string text = R"({"model": {"merges": [], "vocab": {)";
  for (size_t i = 0; i < (size_t{1} << 22) + 1; ++i) {
    const std::string id = std::to_string(i);
    text.append(i == 0 ? "\"" : ",\"").append(id).append("\":").append(id);
  }
  ExpectError(Status::kLimit, {"id is 4194304, expected an integer 0..4194303"},
              [&] { LoadText(text + "}}}"); });
}

// ---- TK02: merges ----

TEST(MalformedMerges, EachNamesItsNumber) {
  const auto merges = [](std::string_view list) {
    return Join({R"({"model": {"merges": )", list, "}}"});
  };
  ExpectBad(Status::kFormat, {"merge #1", "right half is not in the vocabulary"},
            merges(R"(["a b", "b z"])"));
  ExpectBad(Status::kFormat, {"merge #0", "left half"}, merges(R"(["z b"])"));
  ExpectBad(Status::kFormat, {"merge #0: 'b' + 'a': the whole is not in the vocabulary"},
            merges(R"(["b a"])"));
  ExpectBad(Status::kFormat, {"merge #0 is 'ab', expected \"a b\""}, merges(R"(["ab"])"));
  ExpectBad(Status::kFormat, {"merge #0 is 'a b c'"}, merges(R"(["a b c"])"));
  ExpectBad(Status::kFormat, {"merge #0", "an empty half"}, merges(R"(["a "])"));
  ExpectBad(Status::kFormat, {"merge #0", "an empty half"}, merges(R"([" "])"));
  ExpectBad(Status::kFormat, {"merge #0", "an empty half"}, merges(R"([["", "a"]])"));
  ExpectBad(Status::kFormat, {"merge #0 has 0 parts"}, merges("[[]]"));
  ExpectBad(Status::kFormat, {"merge #0 has 3 parts"}, merges(R"([["a", "b", "c"]])"));
  ExpectBad(Status::kFormat, {"merges: is missing"}, merges("{}"));
  const std::string longer(5000, 'a');  // than any token
  ExpectBad(Status::kFormat, {"merge #0", "left half"}, merges(Join({"[\"", longer, " b\"]"})));
}

TEST(MalformedMerges, RulesThatGoRoundEndAnyway) {
  // A token that is its own half cannot be written; rules for one pair may repeat.
  Json json = Valid();
  json["model"]["merges"] = Json::array();
  for (int i = 0; i < 1000; ++i) json["model"]["merges"].push_back("a b");
  EXPECT_EQ(Load(json)->Encode("abab", {}), (Ids{4, 4}));
}

TEST(MalformedMerges, TooMany) {
  std::string text = R"({"model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b")";
  for (size_t i = 0; i < size_t{1} << 23; ++i) text += ",\"a b\"";
  ExpectError(Status::kLimit, {"more than 8388608 merges"}, [&] { LoadText(text + "]}}"); });
}

// ---- TK03: bytes ----

TEST(MalformedBytes, TokensThatOnlyLookLikeBytes) {
  Json json = Valid();
  json["model"]["byte_fallback"] = true;
  const Ids unknown{0};
  for (const char* token : {"<0x-1>", "<0xZZ>", "<0x1>", "<0x100>", "<0x+A>"}) {
    json["model"]["vocab"] = {{"<unk>", 0}, {"a", 1}, {"b", 2}, {"ab", 3}, {token, 4}};
    json["model"]["merges"] = {"a b"};
    json["added_tokens"] = Json::array();
    json["decoder"] = {{"type", "ByteFallback"}};
    const auto tokenizer = Load(json);
    EXPECT_EQ(tokenizer->Encode("\x01", {}), unknown) << token;
    EXPECT_EQ(tokenizer->Decode(Ids{4}, false), token);  // text, no byte
  }
}

TEST(MalformedBytes, AnUncoveredByteIsUnknownOrAnError) {
  Json json = Valid();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_EQ(Load(json)->Encode("a\x07", {}), (Ids{1, 0}));
  json["model"]["unk_token"] = nullptr;
  ExpectError(Status::kArg, {"byte 0x07 of the text is not in the vocabulary"},
              [&] { Load(json)->Encode("a\x07", {}); });
  Json unigram = ValidUnigram();
  EXPECT_EQ(Load(unigram)->Encode("aé", {}), (Ids{1, 0}));
  unigram["model"]["unk_id"] = nullptr;
  ExpectError(Status::kArg, {"U+00E9 of the text is not in the vocabulary"},
              [&] { Load(unigram)->Encode("aé", {}); });
  Json words = Valid();
  words["model"] = {{"type", "WordLevel"}, {"vocab", {{"a", 0}}}};
  words["added_tokens"] = Json::array();
  ExpectError(Status::kArg, {"the word 'é' of the text is not in the vocabulary"},
              [&] { Load(words)->Encode("é", {}); });
}

// ---- TK04: parts ----

TEST(MalformedParts, UnknownTypes) {
  ExpectBad(Status::kUnsupported, {"model: type 'RWKV' is not supported"},
            R"({"model": {"type": "RWKV"}})");
  for (const char* part : {"normalizer", "pre_tokenizer", "decoder", "post_processor"}) {
    const std::string name = part;
    ExpectBad(Status::kUnsupported, {name + ": type 'Magic' is not supported"},
              Join({"{\"", name, R"(": {"type": "Magic"}})"}));
    ExpectBad(Status::kFormat, {name + ": type: is missing"},
              Join({"{\"", name, R"(": {"type": null}})"}));
    ExpectBad(Status::kFormat, {name + ": is an array, expected an object"},
              Join({"{\"", name, "\": [1]}"}));
  }
  ExpectBad(Status::kFormat, {"normalizer: normalizers: is missing, expected an array"},
            R"({"normalizer": {"type": "Sequence", "steps": []}})");
  ExpectBad(Status::kUnsupported, {"pre_tokenizer[1][0]: type 'Magic'"},
            R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"},
                {"type": "Sequence", "pretokenizers": [{"type": "Magic"}]}]}})");
}

TEST(MalformedParts, Patterns) {
  const auto split = [](std::string_view pattern) {
    return Join({R"({"pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": )",
                 pattern, "}}"});
  };
  ExpectBad(Status::kFormat, {"pre_tokenizer: pattern '(a'", "at byte 2"},
            split(R"({"Regex": "(a"})"));
  ExpectBad(Status::kFormat, {"pre_tokenizer: pattern"}, split(R"({"Regex": "*"})"));
  ExpectBad(Status::kFormat, {"pattern: String: is empty"}, split(R"({"String": ""})"));
  ExpectBad(Status::kFormat, {"pattern: is missing"}, split("null"));
  ExpectBad(Status::kFormat, {"pattern: String: is missing"}, split("{}"));
  Json json = Valid();
  json.merge_patch(Json::parse(split(R"({"Regex": "(a|aa)+$"})")));
  const auto tokenizer = Load(json);
  ExpectError(Status::kLimit, {"pre_tokenizer: pattern fails", "match limit"},
              [&] { tokenizer->Encode(std::string(64, 'a') + "!", {}); });
  EXPECT_EQ(tokenizer->Encode("ab", {}), (Ids{4}));
}

TEST(MalformedParts, Numbers) {
  ExpectBad(Status::kFormat, {"decoder: start: is -1, expected integer 0..65536"},
            R"({"decoder": {"type": "Strip", "content": "a", "start": -1, "stop": 0}})");
  ExpectBad(Status::kFormat, {"pre_tokenizer: length: is 0, expected integer 1.."},
            R"({"pre_tokenizer": {"type": "FixedLength", "length": 0}})");
  ExpectBadUnigram(Status::kFormat, {"model: unk_id: is 4, expected integer 0..3"},
                   R"({"model": {"unk_id": 4}})");
  Json json = Valid();  // more is taken off than there is
  json["decoder"] = {{"type", "Strip"}, {"content", "a"}, {"start", 9}, {"stop", 9}};
  EXPECT_EQ(Load(json)->Decode(Ids{1, 4}, false), "b");
}

// Texts are never cut or filled up, so that numbers which cannot hold change nothing.
TEST(MalformedParts, TruncationAndPaddingAreNotLookedAt) {
  for (const char* change :
       {R"({"truncation": {"max_length": 1, "stride": 0, "strategy": "LongestFirst"}})",
        R"({"truncation": {"max_length": 4, "stride": 4}})",
        R"({"truncation": {"max_length": 0, "stride": 9223372036854775807}})",
        R"({"truncation": {"max_length": -1, "stride": "x", "direction": 7}})",
        R"({"truncation": 5})", R"({"padding": {"strategy": {"Fixed": 99}, "pad_id": 77}})"}) {
    Json json = Valid();
    json.merge_patch(Json::parse(change));
    EXPECT_EQ(Load(json)->Encode("abcabcabcabcabc<s>", {}), (Ids{5, 5, 5, 5, 5, 6})) << change;
  }
}

TEST(MalformedParts, Templates) {
  const auto single = [](std::string_view token, std::string_view ids) {
    return Join({R"({"post_processor": {"type": "TemplateProcessing", "special_tokens": )",
                 R"({"<s>": {"ids": )", ids, R"(}}, "single": [{"SpecialToken": {"id": ")", token,
                 R"("}}, {"Sequence": {"id": "A"}}]}})"});
  };
  ExpectBad(Status::kFormat, {"special_tokens: '[X]' is missing"}, single("[X]", "[6]"));
  ExpectBad(Status::kFormat, {"ids: has '7', expected integers 0..6"}, single("<s>", "[7]"));
  ExpectBad(Status::kFormat, {"ids: has '-1'"}, single("<s>", "[-1]"));
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    const auto pair = [&](std::string_view cls) {
      return Join(
          {R"({"post_processor": {"sep": ["b", 2], "type": ")", type, R"(", "cls": )", cls, "}}"});
    };
    ExpectBad(Status::kFormat, {"post_processor: cls: id is 7, expected an integer 0..6"},
              pair(R"(["x", 7])"));
    ExpectBad(Status::kFormat, {"post_processor: cls: is '[\"x\"]', expected [\"token\", id]"},
              pair(R"(["x"])"));
    ExpectBad(Status::kFormat, {"post_processor: cls: is missing"}, pair("null"));
  }
  ExpectBad(Status::kUnsupported, {"post_processor[1]: a second processor that adds tokens"},
            R"({"post_processor": {"type": "Sequence", "processors": [
                {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
                {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}]}})");
}

TEST(MalformedParts, CharsMaps) {
  const auto map = [](std::string_view base64) {
    return Join(
        {R"({"normalizer": {"type": "Precompiled", "precompiled_charsmap": ")", base64, "\"}}"});
  };
  const auto expect = [&](Parts parts, std::string_view base64) {
    ExpectBad(Status::kFormat, parts, map(base64));
  };
  expect({"precompiled_charsmap: has 3 characters, expected base64"}, "AAA");
  expect({"precompiled_charsmap: character 1 is '!'"}, "A!AA");
  expect({"precompiled_charsmap: has 0 bytes, expected at least 4"}, "");
  expect({"the trie has 0 bytes, expected a multiple of 4 up to 2"}, "AAAAAAAA");
  expect({"the trie has 4294967295 bytes"}, "/////wAA");
  expect({"the replacements are not UTF-8"}, "BAAAAAAAAAD/");
  ExpectBad(Status::kFormat, {"precompiled_charsmap: is missing"},
            R"({"normalizer": {"type": "Precompiled"}})");
  // Units that point out of the trie end the search.
  Json json = Valid();
  json.merge_patch(Json::parse(map("BAAAAP////8=")));
  EXPECT_EQ(Load(json)->Encode("abc", {}), Ids{5});
}

TEST(MalformedParts, Pieces) {
  const auto vocab = [](std::string_view list) {
    return Join({R"({"model": {"vocab": )", list, "}}"});
  };
  const auto expect = [&](Parts parts, std::string_view list) {
    ExpectBadUnigram(Status::kFormat, parts, vocab(list));
  };
  expect({"model: vocab[0] is no array"}, R"(["a"])");
  expect({"model: vocab[1] has 1 parts"}, R"([["a", 0], ["b"]])");
  expect({"model: vocab[0] has a number where the text belongs"}, R"([[0, "a"]])");
  expect({"model: vocab[0] has a second text 'b'"}, R"([["a", "b"]])");
  expect({"model: vocab[0] has a number", "or two of them"}, R"([["a", 0, 1]])");
  expect({"model: vocab[0] has a part that is no text and no number"}, R"([["a", null]])");
  ExpectBadText(Status::kFormat, {"number"},
                R"({"model": {"type": "Unigram", "vocab": [["a", 1e999]]}})");
  ExpectBadUnigram(Status::kLimit, {"model: vocab[0]: has 2000 bytes, expected at most 1024"},
                   vocab(Join({"[[\"", std::string(2000, 'a'), "\", 0]]"})));
  ExpectBadUnigram(Status::kFormat, {"vocab: is an array, expected an object"},
                   R"({"model": {"type": "WordLevel"}})");
}

// ---- TK05: added tokens, syntax ----

TEST(MalformedAddedTokens, EmptyAndLong) {
  ExpectBad(Status::kFormat, {"added_tokens[0]: content: is empty"},
            R"({"added_tokens": [{"id": 6, "content": ""}]})");
  ExpectBad(Status::kLimit, {"added token 6 has 1025 bytes"},
            Join({R"({"added_tokens": [{"id": 6, "content": ")", std::string(1025, 'x'), "\"}]}"}));
  ExpectBad(Status::kFormat, {"added_tokens[0]: is 3, expected an object"},
            R"({"added_tokens": [3]})");
  ExpectBad(Status::kFormat, {"added_tokens[0]: special: is 1, expected true or false"},
            R"({"added_tokens": [{"id": 6, "content": "x", "special": 1}]})");
}

TEST(MalformedAddedTokens, ManyThatOverlap) {
  Json json = Valid();
  constexpr int kTokens = 100000;
  for (int i = 0; i < kTokens; ++i) {
    json["added_tokens"].push_back({{"id", 7 + i}, {"content", Join({"a", std::to_string(i)})}});
  }
  const auto tokenizer = Load(json);
  EXPECT_EQ(tokenizer->Encode("a99999a9999b", {}), (Ids{7 + 99999, 7 + 9999, 2}));
  std::string text;
  while (text.size() < kMebibyte) text += "a1234";
  EXPECT_EQ(tokenizer->Encode(text, {}).size(), text.size() / 5);
}

TEST(MalformedAddedTokens, ASpecialFlagOnNormalText) {
  Json json = Valid();
  json["added_tokens"].push_back({{"id", 4}, {"content", "ab"}, {"special", true}});
  const auto tokenizer = Load(json);
  EXPECT_EQ(tokenizer->Encode("abc", {}), (Ids{4, 3}));
  EXPECT_EQ(tokenizer->Encode("ab", {.parse_special = false}), (Ids{1, 2}));
}

TEST(MalformedSyntax, WhatIsNoJson) {
  ExpectBadText(Status::kFormat, {"byte order mark"}, "\xEF\xBB\xBF{}");
  ExpectBadText(Status::kFormat, {"line 1"}, R"({"a": "\ud800"})");
  ExpectBadText(Status::kFormat, {"line 1"}, "{\"a\": \"\xED\xA0\x80\"}");
  ExpectBadText(Status::kFormat, {"duplicate key 'model'"}, R"({"model": 1, "model": 2})");
  ExpectBadText(Status::kLimit, {"nested deeper than 64 levels"}, std::string(100000, '['));
  ExpectBadText(Status::kLimit, {"nested deeper than 64 levels"},
                Join({R"({"normalizer": )", std::string(100000, '[')}));
  ExpectBadText(Status::kFormat, {"line 1"}, R"({"model": {"vocab": {"a": 0)");
}

// ---- TK06, TK07: texts and ids ----

TEST(MalformedTexts, LongRunsOfOneThing) {
  Json byte_level = Valid();
  byte_level["pre_tokenizer"] = {{"type", "ByteLevel"}};
  Json unigram = ValidUnigram();
  unigram["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}};
  Json pieces = Valid();
  pieces["model"] = {{"type", "WordPiece"},
                     {"unk_token", "a"},
                     {"max_input_chars_per_word", 1 << 30},
                     {"vocab", {{"a", 0}, {"##a", 1}, {"##aa", 2}}}};
  pieces["added_tokens"] = Json::array();
  pieces["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  pieces["normalizer"] = {{"type", "BertNormalizer"}};
  for (const Json& json : {Valid(), byte_level, unigram, pieces}) {
    const auto tokenizer = Load(json);
    EXPECT_EQ(tokenizer->Encode("", {}), Ids{});
    for (const std::string_view unit :
         {"a", " ", "👩‍👩‍👧", "\xFF", "<s", "\xED\xA0\x80"}) {
      std::string text;
      while (text.size() < kMebibyte) text += unit;
      const Ids ids = tokenizer->Encode(text, {.parse_special = false});
      EXPECT_LE(ids.size(), 3 * text.size() + 1);  // U+FFFD has three bytes
      tokenizer->Decode(ids, false);
    }
  }
}

TEST(MalformedTexts, NulAndSpecialTokens) {
  Json json = Valid();
  json["model"]["vocab"][std::string(1, '\0')] = 7;
  const auto tokenizer = Load(json);
  const std::string text("a\0b", 3);
  EXPECT_EQ(tokenizer->Encode(text, {}), (Ids{1, 7, 2}));
  EXPECT_EQ(tokenizer->Decode(Ids{1, 7, 2}, false), text);
  EXPECT_EQ(tokenizer->Encode("a<s>", {}), (Ids{1, 6}));
  const Ids plain = tokenizer->Encode("a<s>", {.parse_special = false});
  EXPECT_EQ(plain, (Ids{1, 0, 0, 0}));
}

TEST(MalformedTexts, IdsOutOfRangeAndBrokenCodePoints) {
  Json json = Valid();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["decoder"] = {{"type", "ByteLevel"}};
  json["model"]["vocab"]["Ã"] = 7;  // the byte 0xC3
  const auto tokenizer = Load(json);
  for (const int32_t id : {-1, 8, INT32_MAX}) {
    ExpectError(Status::kArg,
                {Join({"token id is ", std::to_string(id), ", expected an integer 0..7"})}, [&] {
                  tokenizer->Decode(Ids{1, id}, false);
                });
  }
  StreamingDecoder stream(tokenizer);
  EXPECT_EQ(stream.Push(1), "a");
  EXPECT_EQ(stream.Push(7), "");
  EXPECT_EQ(stream.Flush(), "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace inference
