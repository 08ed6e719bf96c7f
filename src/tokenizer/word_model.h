// Words to ids: the models of tokenizer.json.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/text_work.h"
#include "tokenizer/word_cache.h"

namespace inference {

// Of a piece of Unigram, WordPiece and GGUF's llama: bounds the time of a search.
constexpr size_t kMaxPieceBytes = 1024;

// What one thread needs while it encodes one text with one model.
struct ModelScratch {
  struct Symbol {  // of a BPE word
    int32_t id;    // -1: merged into the one before
    uint32_t previous;
    uint32_t next;
  };
  struct Candidate {  // a merge that may happen
    uint64_t order;   // rank << 32 | position of the left symbol: the smallest is merged first
    int32_t left;     // ids when it was queued; stale where the symbols changed since
    int32_t right;
    int32_t merged;
  };
  struct PathEnd {  // the best unigram path that ends at a byte
    double score;
    uint32_t begin;  // of its last piece
    int32_t id;      // of its last piece; -1: no path ends here
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<PathEnd> paths;
  WordCache cache;                     // of BPE words
  const CancelFlag* cancel = nullptr;  // may be null
  uint32_t ticks = 0;

  // Called for each character and each merge: looks at `cancel` now and then.
  void Tick() {
    if (++ticks % 1024 == 0) ThrowIfCancelled(cancel, kEncoding);
  }
};

class WordModel {  // immutable, thread-safe
 public:
  virtual ~WordModel() = default;

  // Appends the ids of `word` (valid UTF-8). ARG for what has no token where the model has no
  // unknown token; CANCELLED.
  virtual void Encode(std::string_view word, ModelScratch& scratch,
                      std::vector<int32_t>& out) const = 0;
};

}  // namespace inference
