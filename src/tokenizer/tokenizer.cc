#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "tokenizer/lossy_utf8.h"
#include "tokenizer/tokenizer_parts.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

// Encodes one text: the buffers that its pieces share.
class Encoder {
 public:
  Encoder(const TokenizerParts& parts, const EncodeOptions& options, std::vector<int32_t>& out)
      : parts_(parts), parse_special_(options.parse_special), out_(out), work_(options.cancel) {
    model_.cancel = options.cancel;
  }

  void Run(std::string_view text) {
    ForEachPiece(parts_.raw_added, text, raw_matches_,
                 [&](std::string_view piece, size_t begin) { EncodePiece(piece, begin == 0); });
  }

 private:
  // Calls `encode(piece, begin)` for what lies between the matches, and appends their ids.
  template <typename Encode>
  void ForEachPiece(const AddedTokenMatcher& matcher, std::string_view text,
                    std::vector<AddedTokenMatcher::Match>& matches, Encode encode) {
    matcher.FindAll(text, parse_special_, work_, matches);
    size_t at = 0;
    for (const AddedTokenMatcher::Match& match : matches) {
      if (at < match.begin) encode(text.substr(at, match.begin - at), at);
      out_.push_back(match.id);
      at = match.end;
    }
    if (at < text.size()) encode(text.substr(at), at);
  }

  void EncodePiece(std::string_view piece, bool at_start) {
    work_.CheckCancel();
    work_.at_start = at_start;
    std::string normalized;
    if (!parts_.normalizer.empty()) {
      normalized = parts_.normalizer.Apply(piece, work_);
      piece = normalized;
    }
    const bool front_is_there = work_.at_start;
    ForEachPiece(parts_.normalized_added, piece, normalized_matches_,
                 [&](std::string_view part, size_t begin) {
                   work_.at_start = front_is_there && begin == 0;
                   EncodeWords(part);
                 });
  }

  void EncodeWords(std::string_view text) {
    const Words words = parts_.pre_tokenizer.Apply(std::string(text), work_);
    const std::string_view all = words.text;
    for (const TextRange& word : words.ranges) {
      work_.CheckCancel();
      parts_.model->Encode(all.substr(word.begin, word.end - word.begin), model_, out_);
    }
  }

  const TokenizerParts& parts_;
  bool parse_special_;
  std::vector<int32_t>& out_;
  TextWork work_;
  ModelScratch model_;
  std::vector<AddedTokenMatcher::Match> raw_matches_;
  std::vector<AddedTokenMatcher::Match> normalized_matches_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}

Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  Require(text.size() <= kMaxTextBytes, Status::kLimit,
          "tokenizer: text of {} bytes, expected at most {}", text.size(), kMaxTextBytes);
  std::vector<int32_t> ids;
  if (options.add_special) ids = parts_->prefix;
  Encoder encoder(*parts_, options, ids);
  if (IsValidUtf8(text)) {
    encoder.Run(text);
  } else {
    encoder.Run(LossyUtf8(text));
  }
  const size_t added = parts_->prefix.size();
  if (options.add_special && options.is_prompt && ids.size() >= 2 * added &&
      std::equal(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(added),
                 ids.begin() + static_cast<std::ptrdiff_t>(added))) {
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(added));
  }
  if (options.add_special) {
    ids.insert(ids.end(), parts_->suffix.begin(), parts_->suffix.end());
  }
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  Decoder::Run run(*parts_->decoder);
  for (const int32_t id : ids) {
    if (IsSpecial(id) && skip_special) continue;
    run.Push(parts_->vocabulary->Text(id), text);
  }
  run.Flush(text);
  return text;
}

void Tokenizer::CheckId(int32_t id) const {
  Require(parts_->vocabulary->Has(id), Status::kArg,
          "tokenizer: token id is {}, expected an integer 0..{}", id, vocab_size() - 1);
}

std::string Tokenizer::TokenBytes(int32_t id) const {
  if (IsSpecial(id)) return {};
  return parts_->decoder->BytesOf(parts_->vocabulary->Text(id));
}

std::string_view Tokenizer::TokenText(int32_t id) const {
  CheckId(id);
  return parts_->vocabulary->Text(id);
}

bool Tokenizer::IsSpecial(int32_t id) const {
  CheckId(id);
  return parts_->special[static_cast<size_t>(id)];
}

int32_t Tokenizer::vocab_size() const { return parts_->vocabulary->size(); }
std::optional<int32_t> Tokenizer::bos() const { return parts_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return parts_->eos; }

std::string Tokenizer::bos_text() const {
  return parts_->bos ? std::string(TokenText(*parts_->bos)) : std::string();
}

std::string Tokenizer::eos_text() const {
  return parts_->eos ? std::string(TokenText(*parts_->eos)) : std::string();
}

const std::vector<int32_t>& Tokenizer::end_ids() const { return parts_->end_ids; }

bool Tokenizer::IsEnd(int32_t id) const {
  return std::binary_search(parts_->end_ids.begin(), parts_->end_ids.end(), id);
}

const Decoder& Tokenizer::decoder() const { return *parts_->decoder; }

}  // namespace inference
