// WordPiece and word-level models.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/text_tokens.h"
#include "tokenizer/word_model.h"

namespace inference {

struct WordPieceOptions {
  std::string prefix;           // continuing_subword_prefix: before each piece but the first
  size_t max_characters = 100;  // a longer word is unknown
  int32_t unk_id = -1;          // -1: none, an unknown word is an error
};

// The longest piece from the left, again and again; a word that cannot be cut is unknown as a whole
// (Wu et al. 2016). O(n x longest piece) for a word of n bytes.
class WordPiece final : public WordModel {
 public:
  // LIMIT for a piece past kMaxPieceBytes.
  WordPiece(TextTokens tokens, WordPieceOptions options);

  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  bool AppendPieces(std::string_view word, ModelScratch& scratch, std::vector<int32_t>& out) const;

  TextTokens tokens_;
  WordPieceOptions options_;
  ByteTrie first_;  // pieces that begin a word
  ByteTrie later_;  // the others, without the prefix
};

// Each word is a token or unknown.
class WordLevel final : public WordModel {
 public:
  WordLevel(TextTokens tokens, int32_t unk_id) : tokens_(std::move(tokens)), unk_id_(unk_id) {}

  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  TextTokens tokens_;
  int32_t unk_id_;
};

}  // namespace inference
