// WordPiece and word-level models.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"
#include "tokenizer/word_model.h"

namespace inference {

struct WordPieceOptions {
  std::string prefix;           // continuing_subword_prefix: before each piece but the first
  size_t max_characters = 100;  // a longer word is unknown
  int32_t unk_id = -1;          // -1: none, an unknown word is an error
};

// The longest piece from the left, again and again; a word that cannot be cut is unknown as a whole
// (Wu et al. 2016). O(n x longest piece) hashes for a word of n bytes.
class WordPiece final : public WordModel {
 public:
  WordPiece(std::shared_ptr<const Vocabulary> vocabulary, std::vector<bool> special,
            WordPieceOptions options);

  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  bool AppendPieces(std::string_view word, std::vector<int32_t>& out) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<bool> special_;
  WordPieceOptions options_;
  size_t longest_ = 0;  // bytes of a piece
};

// Each word is a token or unknown.
class WordLevel final : public WordModel {
 public:
  WordLevel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<bool> special, int32_t unk_id)
      : vocabulary_(std::move(vocabulary)), special_(std::move(special)), unk_id_(unk_id) {}

  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<bool> special_;
  int32_t unk_id_;
};

}  // namespace inference
