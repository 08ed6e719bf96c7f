// Byte-pair encoding of one word: the lowest-ranked pair first, leftmost among equals (Sennrich et
// al. 2016), through a heap over a linked list: O(n log n) for a word of n characters. A long word
// is cut first, between characters that no rule can ever bring together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/flat_map.h"
#include "tokenizer/text_tokens.h"
#include "tokenizer/word_model.h"

namespace inference {

struct BpeOptions {
  bool byte_fallback = false;  // a character outside the vocabulary becomes <0xXX> tokens
  bool ignore_merges = false;  // a word that is a token stays one
  bool byte_level = false;     // characters are bytes in GPT-2's alphabet, for messages
  bool fuse_unk = false;       // unknown characters in a row become one unknown token
  int32_t unk_id = -1;         // -1: none, an unknown character is an error
  std::string prefix;          // continuing_subword_prefix: before each character but the first
  std::string suffix;          // end_of_word_suffix: after the last character
};

class Bpe final : public WordModel {  // immutable after the last AddMerge, thread-safe
 public:
  static constexpr int64_t kMaxMerges = int64_t{1} << 23;

  Bpe(TextTokens tokens, const BpeOptions& options);

  // Ids in range; of two rules for one pair the later one holds, as in Hugging Face. A rule that
  // makes what is no token of text never applies.
  void AddMerge(int32_t left, int32_t right, uint32_t rank, int32_t merged);
  // The rule "left right"; FORMAT naming merge #rank where a half or the whole is no token. The
  // whole is left and right without the prefix.
  void AddMerge(std::string_view left, std::string_view right, uint32_t rank);

  // ARG for a character that has no token: some byte-level vocabularies lack control bytes.
  // Hugging Face drops those without a word.
  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  void EncodePart(std::string_view part, ModelScratch& scratch, std::vector<int32_t>& out) const;
  void MergePart(std::string_view part, ModelScratch& scratch, std::vector<int32_t>& out) const;
  void AddJoint(int32_t left, int32_t right);
  bool MayCut(int32_t left, int32_t right) const;
  void Split(std::string_view word, ModelScratch& scratch) const;
  int32_t FindCharacter(std::string_view text, uint32_t code_point) const;
  bool AppendBytes(std::string_view text, ModelScratch& scratch) const;
  [[noreturn]] void FailUnknown(std::string_view character) const;
  void Queue(uint32_t left, ModelScratch& scratch) const;
  void Merge(ModelScratch& scratch) const;

  TextTokens tokens_;
  BpeOptions options_;
  FlatMap64 merges_;  // PairKey(left, right) -> rank << 32 | merged
  FlatMap64 joints_;  // PairKey of a character and the next one, where a rule has both at its joint
  std::vector<int32_t> char_ids_;  // ids of the characters below kCharTable, -1: none
  std::vector<int32_t> byte_ids_;  // ids of <0x00>..<0xFF>, -1: none; empty without fallback
};

}  // namespace inference
