// Malformed and unsupported tokenizer.json files: each an error that names what is wrong.
#include <gtest/gtest.h>

#include "formats/json.h"
#include "support/expect_error.h"
#include "support/temp_dir.h"
#include "tokenizer/tokenizer.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;

Json Valid() {
  return Json::parse(R"({
    "added_tokens": [{"id": 6, "content": "<s>", "special": true, "normalized": false}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Fuse"}, "truncation": {"max_length": 1}, "padding": {"length": 99},
    "model": {"type": "BPE", "unk_token": "<unk>",
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
              "merges": ["a b", ["ab", "c"]]}})");
}

std::shared_ptr<const Tokenizer> Load(const Json& json) {
  TempDir folder;
  folder.Write("tokenizer.json", json.dump());
  return LoadTokenizerFolder(folder.path());
}

// `patch` (RFC 7386) turns the valid file into a bad one.
void ExpectBad(Status status, std::initializer_list<std::string_view> parts, const char* patch) {
  SCOPED_TRACE(patch);
  Json json = Valid();
  json.merge_patch(Json::parse(patch));
  ExpectError(status, parts, [&] { Load(json); });
}

void ExpectBadText(Status status, std::initializer_list<std::string_view> parts,
                   const std::string& text) {
  SCOPED_TRACE(text.substr(0, 200));
  TempDir folder;
  folder.Write("tokenizer.json", text);
  ExpectError(status, parts, [&] { LoadTokenizerFolder(folder.path()); });
}

TEST(TokenizerJson, LoadsAndIgnoresTruncationAndPadding) {
  const auto tokenizer = Load(Valid());
  EXPECT_EQ(tokenizer->vocab_size(), 7);
  EXPECT_EQ(tokenizer->Encode("abcab<s>x", {}), (Ids{5, 4, 6, 0}));
  EXPECT_EQ(tokenizer->Encode("<s>", {.parse_special = false}), (Ids{0, 0, 0}));
  EXPECT_EQ(tokenizer->Encode("", {}), Ids{});
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->bos_text(), "");
  EXPECT_TRUE(tokenizer->IsSpecial(6));
  EXPECT_FALSE(tokenizer->IsSpecial(5));
  EXPECT_EQ(tokenizer->TokenBytes(6), "");
  EXPECT_EQ(tokenizer->TokenText(6), "<s>");
}

TEST(TokenizerJson, MissingFolderOrFile) {
  ExpectError(Status::kNotFound, {"/nowhere"}, [] { LoadTokenizerFolder("/nowhere"); });
}

TEST(TokenizerJson, Syntax) {
  ExpectBadText(Status::kFormat, {"tokenizer.json: line 1"}, "");
  ExpectBadText(Status::kFormat, {"tokenizer.json: line 2", "syntax error"}, "{\n\"model\": }");
  ExpectBadText(Status::kFormat, {"expected an object"}, "[]");
  ExpectBadText(Status::kFormat, {"byte order mark"}, "\xEF\xBB\xBF{}");
  ExpectBadText(Status::kFormat, {"duplicate key 'a'"}, R"({"a": 1, "a": 2})");
  ExpectBadText(Status::kFormat, {"line 1"}, R"({"a": "\ud800"})");
  ExpectBadText(Status::kLimit, {"nested deeper than 64"}, std::string(100000, '['));
  ExpectBadText(Status::kFormat, {"duplicate token 'a'"},
                R"({"model": {"vocab": {"a": 0, "a": 0}, "merges": []}})");
}

TEST(TokenizerJson, Model) {
  ExpectBad(Status::kFormat, {"model: is missing"}, R"({"model": null})");
  ExpectBad(Status::kUnsupported, {"tokenizer.json: model: type 'Trie' is not supported"},
            R"({"model": {"type": "Trie"}})");
  ExpectBad(Status::kFormat, {"model: vocab: is an object, expected an array"},
            R"({"model": {"type": "Unigram"}})");
  ExpectBad(Status::kFormat, {"vocab: is missing"}, R"({"model": {"vocab": null}})");
  ExpectBad(Status::kFormat, {"merges: is missing"}, R"({"model": {"merges": null}})");
  ExpectBad(Status::kUnsupported, {"dropout"}, R"({"model": {"dropout": 0.1}})");
  ExpectBad(Status::kFormat, {"merge #0", "shorter than the prefix '##'"},
            R"({"model": {"continuing_subword_prefix": "##"}})");
  ExpectBad(Status::kFormat, {"unk_token: '?' is not in the vocabulary"},
            R"({"model": {"unk_token": "?"}})");
  ExpectBad(Status::kFormat, {"byte_fallback", "true or false"},
            R"({"model": {"byte_fallback": 1}})");
}

TEST(TokenizerJson, Ids) {
  ExpectBad(Status::kLimit, {"token 'd': id is 2147483647"},
            R"({"model": {"vocab": {"d": 2147483647}}})");
  ExpectBad(Status::kFormat, {"token 'd': id is -1"}, R"({"model": {"vocab": {"d": -1}}})");
  ExpectBad(Status::kFormat, {"token 'd' has no integer id"},
            R"({"model": {"vocab": {"d": 7.0}}})");
  ExpectBad(Status::kFormat, {"token 'd' has no integer id"},
            R"({"model": {"vocab": {"d": 18446744073709551615}}})");
  ExpectBad(Status::kFormat, {"token 'd' has no integer id"},
            R"({"model": {"vocab": {"d": {"e": 7}}}})");
  ExpectBad(Status::kFormat, {"'c' and 'd' have the same id 3"},
            R"({"model": {"vocab": {"d": 3}}})");
  ExpectBad(Status::kFormat, {"token 'd': id is 9", "8 tokens", "no gap"},
            R"({"model": {"vocab": {"d": 9}}})");
  ExpectBadText(Status::kFormat, {"vocabulary is empty"},
                R"({"model": {"vocab": {}, "merges": []}})");
}

TEST(TokenizerJson, Merges) {
  ExpectBad(Status::kFormat, {"merge #1", "'b' + 'z'", "right half is not in the vocabulary"},
            R"({"model": {"merges": ["a b", "b z"]}})");
  ExpectBad(Status::kFormat, {"merge #0", "left half"}, R"({"model": {"merges": ["z b"]}})");
  ExpectBad(Status::kFormat, {"merge #0", "whole"}, R"({"model": {"merges": ["b a"]}})");
  ExpectBad(Status::kFormat, {"merge #0 is 'ab'"}, R"({"model": {"merges": ["ab"]}})");
  ExpectBad(Status::kFormat, {"merge #1 is 'a b c'"}, R"({"model": {"merges": ["a b", "a b c"]}})");
  ExpectBad(Status::kFormat, {"merge #0", "empty half"}, R"({"model": {"merges": ["a "]}})");
  ExpectBad(Status::kFormat, {"merge #0 has 1 parts"}, R"({"model": {"merges": [["a"]]}})");
  ExpectBad(Status::kFormat, {"merge #0 has 3 parts"},
            R"({"model": {"merges": [["a", "b", "c"]]}})");
  ExpectBad(Status::kFormat, {"merge #1 is no string and no array"},
            R"({"model": {"merges": ["a b", 7]}})");
  ExpectBad(Status::kFormat, {"merge #0 has a part that is no string"},
            R"({"model": {"merges": [["a", 7]]}})");
  ExpectBad(Status::kFormat, {"merge #0 has a part that is no string"},
            R"({"model": {"merges": [["a", []]]}})");
  ExpectBad(Status::kFormat, {"merge #0 is no string and no array"},
            R"({"model": {"merges": [{}]}})");
}

TEST(TokenizerJson, AddedTokens) {
  ExpectBad(Status::kFormat, {"added_tokens[0]: content: is empty"},
            R"({"added_tokens": [{"id": 6, "content": ""}]})");
  ExpectBad(Status::kFormat, {"token 'a': has the ids 1 and 6"},
            R"({"added_tokens": [{"id": 6, "content": "a"}]})");
  ExpectBad(Status::kFormat, {"'a' and 'x' have the same id 1"},
            R"({"added_tokens": [{"id": 1, "content": "x"}]})");
  ExpectBad(Status::kFormat, {"added_tokens[0]: id"},
            R"({"added_tokens": [{"id": -6, "content": "x"}]})");
  Json json = Valid();
  json["added_tokens"][0]["content"] = std::string(2000, 'x');
  ExpectError(Status::kLimit, {"added token 6 has 2000 bytes"}, [&] { Load(json); });
}

TEST(TokenizerJson, UnsupportedParts) {
  ExpectBad(Status::kUnsupported, {"normalizer: type 'Opencc' is not supported"},
            R"({"normalizer": {"type": "Opencc"}})");
  ExpectBad(Status::kUnsupported, {"normalizer[1]: type 'Latin'"},
            R"({"normalizer": {"type": "Sequence", "normalizers": [
                {"type": "NFC"}, {"type": "Latin"}]}})");
  ExpectBad(Status::kUnsupported, {"pre_tokenizer: type 'UnicodeScripts'"},
            R"({"pre_tokenizer": {"type": "UnicodeScripts"}})");
  ExpectBad(Status::kUnsupported, {"decoder: type 'Reverse'"},
            R"({"decoder": {"type": "Reverse"}})");
  ExpectBad(Status::kUnsupported, {"decoder: a decoder after Fuse"},
            R"({"decoder": {"type": "Sequence", "decoders": [
                {"type": "Fuse"}, {"type": "ByteFallback"}]}})");
  ExpectBad(Status::kUnsupported, {"post_processor: type 'Padding'"},
            R"({"post_processor": {"type": "Padding"}})");
  ExpectBad(Status::kUnsupported, {"behavior: 'Sideways'"},
            R"({"pre_tokenizer": {"type": "Split", "pattern": {"String": "x"},
                                  "behavior": "Sideways"}})");
  ExpectBad(Status::kUnsupported, {"prepend_scheme: 'last'"},
            R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "_",
                                  "prepend_scheme": "last"}})");
  ExpectBad(Status::kFormat, {"normalizer: type: is missing"}, R"({"normalizer": {}})");
  ExpectBad(Status::kFormat, {"normalizer: is 3, expected an object"}, R"({"normalizer": 3})");
}

TEST(TokenizerJson, BadFieldsOfParts) {
  ExpectBad(Status::kFormat, {"pre_tokenizer: pattern", "missing closing parenthesis"},
            R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"},
                                  "behavior": "Isolated"}})");
  ExpectBad(Status::kFormat, {"pre_tokenizer: pattern: String: is empty"},
            R"({"pre_tokenizer": {"type": "Split", "pattern": {"String": ""},
                                  "behavior": "Isolated"}})");
  ExpectBad(Status::kFormat, {"normalizer: pattern: is missing"},
            R"({"normalizer": {"type": "Replace", "content": "x"}})");
  ExpectBad(Status::kFormat, {"decoder: content: is 'ab', expected one character"},
            R"({"decoder": {"type": "Strip", "content": "ab", "start": 1, "stop": 0}})");
  ExpectBad(Status::kFormat, {"decoder: start: is -1"},
            R"({"decoder": {"type": "Strip", "content": "a", "start": -1, "stop": 0}})");
}

TEST(TokenizerJson, Template) {
  ExpectBad(Status::kFormat, {"special_tokens: '<s>' is missing"},
            R"({"post_processor": {"type": "TemplateProcessing", "special_tokens": {},
                "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}})");
  ExpectBad(Status::kFormat, {"ids: has '7', expected integers 0..6"},
            R"({"post_processor": {"type": "TemplateProcessing",
                "special_tokens": {"<s>": {"ids": [7]}},
                "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}})");
  ExpectBad(Status::kFormat, {"single: has no Sequence 'A'"},
            R"({"post_processor": {"type": "TemplateProcessing", "single": []}})");
  ExpectBad(Status::kFormat, {"id: is 'B', expected 'A' once"},
            R"({"post_processor": {"type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "B"}}]}})");
  ExpectBad(Status::kFormat, {"single[0]: has neither"},
            R"({"post_processor": {"type": "TemplateProcessing", "single": [{}]}})");
}

TEST(TokenizerJson, SmallFilesGiveBosEosAndEnds) {
  TempDir folder;
  Json json = Valid();
  json["added_tokens"].push_back({{"id", 7}, {"content", "<|im_end|>"}, {"special", true}});
  json["added_tokens"].push_back({{"id", 8}, {"content", "</s>"}, {"special", false}});
  folder.Write("tokenizer.json", json.dump());
  folder.Write("special_tokens_map.json", R"({"bos_token": "a", "eos_token": {"content": "b"}})");
  folder.Write("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "eos_token": null})");
  folder.Write("generation_config.json", R"({"eos_token_id": [5, 3, 1000]})");
  const auto tokenizer = LoadTokenizerFolder(folder.path());
  EXPECT_EQ(tokenizer->bos_text(), "<s>");
  EXPECT_EQ(tokenizer->eos_text(), "b");
  EXPECT_EQ(tokenizer->end_ids(), (Ids{2, 3, 5, 7}));  // "</s>" is an ordinary token here
  EXPECT_TRUE(tokenizer->IsEnd(7));
  EXPECT_FALSE(tokenizer->IsEnd(8));
  EXPECT_FALSE(tokenizer->IsEnd(-1));

  folder.Write("generation_config.json", R"({"eos_token_id": -5})");
  ExpectError(Status::kFormat, {"generation_config.json: eos_token_id: has '-5'"},
              [&] { LoadTokenizerFolder(folder.path()); });
  folder.Write("generation_config.json", "{}");
  folder.Write("tokenizer_config.json", R"({"eos_token": "<none>"})");
  ExpectError(Status::kFormat, {"tokenizer_config.json: eos_token: '<none>' is not in the"},
              [&] { LoadTokenizerFolder(folder.path()); });
}

}  // namespace
}  // namespace inference
