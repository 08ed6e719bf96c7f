// Reads tokenizer.json in one pass: the vocabulary and the merges, hundreds of thousands of
// entries, go straight into their tables; the rest becomes a small Json.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json.h"
#include "tokenizer/vocabulary.h"

namespace inference {

struct TokenizerScan {
  // A merge as two stretches of merge_texts.
  struct Merge {
    uint64_t offset;
    uint32_t left;  // bytes
    uint32_t right;
  };

  Json rest;                               // without model.vocab and model.merges
  std::shared_ptr<Vocabulary> vocabulary;  // not finished: added tokens are still to come
  std::string merge_texts;
  std::vector<Merge> merges;
  std::vector<double> scores;  // of a vocabulary that is a list, by id
  bool has_vocabulary = false;
  bool has_scores = false;  // the vocabulary is a list
  bool has_merges = false;
};

// `name` (a path) begins every message. FORMAT with line and column.
TokenizerScan ScanTokenizerJson(std::string_view text, const std::string& name);

}  // namespace inference
