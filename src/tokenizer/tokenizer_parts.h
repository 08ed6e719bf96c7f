// What the loaders fill in and the tokenizer runs. Used inside src/tokenizer only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decode.h"
#include "tokenizer/normalize.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_model.h"

namespace inference {

struct TokenizerParts {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::vector<bool> special;           // by id
  AddedTokenMatcher raw_added;         // looked for in the text as it came
  AddedTokenMatcher normalized_added;  // looked for after the normalizer
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const WordModel> model;
  std::unique_ptr<Decoder> decoder;
  std::vector<int32_t> prefix;  // ids that add_special puts around the text
  std::vector<int32_t> suffix;
  std::optional<int32_t> bos;
  std::optional<int32_t> eos;
  std::vector<int32_t> end_ids;  // FinishEndIds sorts them and adds those known by name
};

// Sorts the tokens into the two matchers; vocabulary and normalizer are there already.
void AddTokens(const std::vector<AddedToken>& tokens, TokenizerParts& parts);

// Adds eos and the special tokens whose name says that they end a text.
void FinishEndIds(TokenizerParts& parts);

}  // namespace inference
