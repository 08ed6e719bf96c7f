#include "tokenizer/word_piece.h"

#include <algorithm>

#include "util/error.h"

namespace inference {

namespace {

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

int32_t RequireUnknown(int32_t unk_id, std::string_view word, const Vocabulary& vocabulary) {
  Require(unk_id >= 0, Status::kArg,
          "{}: the word {} of the text is not in the vocabulary, and there is no unknown token",
          vocabulary.name(), Quote(word));
  return unk_id;
}

}  // namespace

WordPiece::WordPiece(TextTokens tokens, WordPieceOptions options)
    : tokens_(std::move(tokens)), options_(std::move(options)) {
  const Vocabulary& vocabulary = tokens_.vocabulary();
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!tokens_.Has(id)) continue;
    std::string_view piece = vocabulary.Text(id);
    Require(piece.size() <= kMaxPieceBytes, Status::kLimit,
            "{}: token {} has {} bytes, expected at most {}", vocabulary.name(), id, piece.size(),
            kMaxPieceBytes);
    if (!piece.empty()) first_.Add(piece, id, vocabulary.name());
    if (!piece.starts_with(options_.prefix)) continue;
    piece.remove_prefix(options_.prefix.size());
    if (!piece.empty()) later_.Add(piece, id, vocabulary.name());
  }
}

void WordPiece::Encode(std::string_view word, ModelScratch& scratch,
                       std::vector<int32_t>& out) const {
  if (word.empty()) return;
  const size_t before = out.size();
  if (CountCharacters(word) <= options_.max_characters && AppendPieces(word, scratch, out)) return;
  out.resize(before);
  out.push_back(RequireUnknown(options_.unk_id, word, tokens_.vocabulary()));
}

bool WordPiece::AppendPieces(std::string_view word, ModelScratch& scratch,
                             std::vector<int32_t>& out) const {
  for (size_t at = 0; at < word.size();) {
    scratch.Tick();
    size_t longest = 0;
    int32_t id = -1;
    (at == 0 ? first_ : later_).ForEachPrefix(word, at, [&](size_t length, int32_t value) {
      longest = length;
      id = value;
    });
    if (id < 0) return false;
    out.push_back(id);
    at += longest;
  }
  return true;
}

void WordLevel::Encode(std::string_view word, ModelScratch&, std::vector<int32_t>& out) const {
  if (word.empty()) return;
  const std::optional<int32_t> id = tokens_.Find(word);
  out.push_back(id ? *id : RequireUnknown(unk_id_, word, tokens_.vocabulary()));
}

}  // namespace inference
