#include "tokenizer/unigram.h"

#include <algorithm>

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr double kUnknownPenalty = 10;  // below the worst piece, as SentencePiece has it

}  // namespace

Unigram::Unigram(TextTokens tokens, std::vector<double> scores, const UnigramOptions& options)
    : tokens_(std::move(tokens)), scores_(std::move(scores)), options_(options) {
  for (size_t id = 0; id < scores_.size(); ++id) {
    const std::string_view piece = tokens_.vocabulary().Text(static_cast<int32_t>(id));
    Require(piece.size() <= kMaxPieceBytes, Status::kLimit,
            "{}: model: vocab[{}]: has {} bytes, expected at most {}", tokens_.vocabulary().name(),
            id, piece.size(), kMaxPieceBytes);
    if (!piece.empty() && tokens_.Has(static_cast<int32_t>(id))) {
      pieces_.Add(piece, static_cast<int32_t>(id), tokens_.vocabulary().name());
    }
  }
  unk_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
  if (options_.byte_fallback) byte_ids_ = tokens_.FindByteTokens();
}

// For each byte where a piece may end, the best path to it.
void Unigram::FindPaths(std::string_view word, ModelScratch& scratch) const {
  std::vector<ModelScratch::PathEnd>& paths = scratch.paths;
  paths.assign(word.size() + 1, {0, 0, -1});
  for (size_t at = 0; at < word.size();) {
    scratch.Tick();
    const double before = paths[at].score;
    const uint32_t length = DecodeUtf8(word, at).length;
    const auto offer = [&](size_t end, double score, int32_t id) {
      ModelScratch::PathEnd& path = paths[end];
      if (path.id < 0 || score > path.score) path = {score, static_cast<uint32_t>(at), id};
    };
    bool has_single = false;
    pieces_.ForEachPrefix(word, at, [&](size_t bytes, int32_t id) {
      offer(at + bytes, before + scores_[static_cast<size_t>(id)], id);
      if (bytes == length) has_single = true;
    });
    if (!has_single) {
      Require(options_.unk_id >= 0, Status::kArg,
              "{}: U+{:04X} of the text is not in the vocabulary, and there is no unknown token",
              tokens_.vocabulary().name(), DecodeUtf8(word, at).code_point);
      offer(at + length, before + unk_score_, options_.unk_id);
    }
    at += length;
  }
}

void Unigram::Encode(std::string_view word, ModelScratch& scratch,
                     std::vector<int32_t>& out) const {
  if (word.empty()) return;
  FindPaths(word, scratch);
  // From the end to the front; unknown characters in a row are one stretch.
  const size_t begin_of_out = out.size();
  size_t unknown_end = 0;  // 0: no stretch is open
  for (size_t end = word.size(); end > 0;) {
    const ModelScratch::PathEnd& path = scratch.paths[end];
    const bool unknown = path.id == options_.unk_id;
    if (unknown && unknown_end == 0) unknown_end = end;
    if (!unknown) {
      if (unknown_end != 0) AppendUnknown(word.substr(end, unknown_end - end), out);
      unknown_end = 0;
      out.push_back(path.id);
    }
    end = path.begin;
  }
  if (unknown_end != 0) AppendUnknown(word.substr(0, unknown_end), out);
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(begin_of_out), out.end());
}

// In reverse order.
void Unigram::AppendUnknown(std::string_view text, std::vector<int32_t>& out) const {
  const size_t before = out.size();
  if (!byte_ids_.empty()) {
    for (auto c = text.rbegin(); c != text.rend(); ++c) {
      out.push_back(byte_ids_[static_cast<unsigned char>(*c)]);
      if (out.back() < 0) break;
    }
    if (out.back() >= 0) return;
    out.resize(before);
  }
  out.push_back(options_.unk_id);
}

}  // namespace inference
