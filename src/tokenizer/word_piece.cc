#include "tokenizer/word_piece.h"

#include <algorithm>

#include "util/error.h"
#include "util/utf8.h"

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

WordPiece::WordPiece(std::shared_ptr<const Vocabulary> vocabulary, std::vector<bool> special,
                     WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)),
      special_(std::move(special)),
      options_(std::move(options)) {
  for (int32_t id = 0; id < vocabulary_->size(); ++id) {
    longest_ = std::max(longest_, vocabulary_->Text(id).size());
  }
}

void WordPiece::Encode(std::string_view word, ModelScratch&, std::vector<int32_t>& out) const {
  if (word.empty()) return;
  const size_t before = out.size();
  if (CountCharacters(word) <= options_.max_characters && AppendPieces(word, out)) return;
  out.resize(before);
  out.push_back(RequireUnknown(options_.unk_id, word, *vocabulary_));
}

bool WordPiece::AppendPieces(std::string_view word, std::vector<int32_t>& out) const {
  std::string piece;
  for (size_t at = 0; at < word.size();) {
    piece.assign(at == 0 ? "" : options_.prefix);
    const size_t prefix = piece.size();
    piece.append(word.substr(at, longest_));
    std::optional<int32_t> id;
    for (; piece.size() > prefix; piece.pop_back()) {
      id = vocabulary_->Find(piece);
      if (id && !special_[static_cast<size_t>(*id)]) break;
      id.reset();
    }
    if (!id) return false;
    out.push_back(*id);
    at += piece.size() - prefix;
  }
  return true;
}

void WordLevel::Encode(std::string_view word, ModelScratch&, std::vector<int32_t>& out) const {
  if (word.empty()) return;
  const std::optional<int32_t> id = vocabulary_->Find(word);
  out.push_back(id && !special_[static_cast<size_t>(*id)]
                    ? *id
                    : RequireUnknown(unk_id_, word, *vocabulary_));
}

}  // namespace inference
