// Unigram language model: the cut of a word into pieces whose scores add up to the most (Kudo
// 2018), by Viterbi over byte positions: O(n x longest piece) for a word of n bytes.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/text_tokens.h"
#include "tokenizer/word_model.h"

namespace inference {

struct UnigramOptions {
  bool byte_fallback = false;  // unknown text becomes <0xXX> tokens where all are there
  int32_t unk_id = -1;         // -1: none, an unknown character is an error
};

class Unigram final : public WordModel {
 public:
  // `scores`, by id: log-probabilities of the model's own tokens. LIMIT for a piece past
  // kMaxPieceBytes.
  Unigram(TextTokens tokens, std::vector<double> scores, const UnigramOptions& options);

  void Encode(std::string_view word, ModelScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  void FindPaths(std::string_view word, ModelScratch& scratch) const;
  void AppendUnknown(std::string_view text, std::vector<int32_t>& out) const;

  TextTokens tokens_;
  std::vector<double> scores_;
  UnigramOptions options_;
  double unk_score_ = 0;  // of one unknown character
  ByteTrie pieces_;
  std::vector<int32_t> byte_ids_;  // ids of <0x00>..<0xFF>, -1: none; empty without fallback
};

}  // namespace inference
