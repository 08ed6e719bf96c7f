#include "tokenizer/decode.h"

#include <utility>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/lossy_utf8.h"
#include "tokenizer/vocabulary.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

using Kind = DecoderStep::Kind;

// Takes at most `limit` repetitions of `content` off the front; returns how many.
uint64_t StripFront(std::string_view& text, std::string_view content, uint64_t limit) {
  uint64_t count = 0;
  while (count < limit && text.starts_with(content)) {
    text.remove_prefix(content.size());
    ++count;
  }
  return count;
}

uint64_t StripBack(std::string_view& text, std::string_view content, uint64_t limit) {
  uint64_t count = 0;
  while (count < limit && text.ends_with(content)) {
    text.remove_suffix(content.size());
    ++count;
  }
  return count;
}

std::string StripToken(std::string_view token, const DecoderStep& step) {
  StripFront(token, step.content, step.strip_start);
  StripBack(token, step.content, step.strip_stop);
  return std::string(token);
}

// English as written: Hugging Face's clean-up of WordPiece.
std::string CleanUp(std::string text, const TextWork& work) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) text = ReplaceAll(text, from, to, work);
  return text;
}

std::string WordPieceToken(std::string_view token, const DecoderStep& step, bool first,
                           const TextWork& work) {
  std::string out;
  if (first) {
    out = token;
  } else if (token.starts_with(step.content)) {
    out = token.substr(step.content.size());
  } else {
    out.append(" ").append(token);
  }
  return step.cleanup ? CleanUp(std::move(out), work) : out;
}

std::string CtcToken(std::string_view token, const DecoderStep& step, const TextWork& work) {
  std::string out = ReplaceAll(token, step.content, "", work);
  if (!step.cleanup) return out;
  return ReplaceAll(CleanUp(std::move(out), work), step.word_delimiter, " ", work);
}

// Whether the step may get a joined text in pieces.
bool WorksOnPieces(const DecoderStep& step) {
  switch (step.kind) {
    case Kind::kFuse:
    case Kind::kStrip:
      return true;
    case Kind::kReplace: {
      if (step.replacement->is_regex()) return false;
      const std::string& pattern = step.replacement->pattern();
      return DecodeUtf8(pattern, 0).length == pattern.size();
    }
    default:
      return false;
  }
}

}  // namespace

Decoder::Decoder(std::vector<DecoderStep> steps, std::string_view name) : steps_(std::move(steps)) {
  bool fused = false;
  for (const DecoderStep& step : steps_) {
    Require(!fused || WorksOnPieces(step), Status::kUnsupported,
            "{}: a decoder after Fuse or ByteLevel is not supported, except Strip and Replace of "
            "one character",
            name);
    fused_.push_back(fused);
    fused = fused || step.kind == Kind::kFuse || step.kind == Kind::kByteLevel;
  }
}

void Decoder::Run::Feed(size_t index, std::string token, std::string& out) {
  if (index == states_.size()) {
    work_.CheckSize(out.size() + token.size());
    out.append(token);
    return;
  }
  const DecoderStep& step = decoder_->steps_[index];
  State& state = states_[index];
  const bool first = !state.seen_token;
  state.seen_token = true;
  switch (step.kind) {
    case Kind::kReplace:
      return Feed(index + 1, step.replacement->Apply(token, work_), out);
    case Kind::kByteFallback:
      if (const std::optional<uint8_t> byte = ParseByteToken(token)) {
        state.pending.push_back(static_cast<char>(*byte));
        return;
      }
      FlushBytes(index, out);
      return Feed(index + 1, std::move(token), out);
    case Kind::kFuse:
      return Feed(index + 1, std::move(token), out);
    case Kind::kStrip:
      if (decoder_->fused_[index]) return FeedFused(index, token, out);
      return Feed(index + 1, StripToken(token, step), out);
    case Kind::kMetaspace:
      return Feed(index + 1,
                  ReplaceAll(token, step.content, first && step.drop_first ? "" : " ", work_), out);
    case Kind::kByteLevel: {
      state.pending.append(ByteAlphabet::Get().Decode(token));
      const size_t tail = IncompleteUtf8Tail(state.pending);
      const std::string_view whole(state.pending.data(), state.pending.size() - tail);
      std::string text = LossyUtf8(whole);
      state.pending.erase(0, whole.size());
      return Feed(index + 1, std::move(text), out);
    }
    case Kind::kJoin:
      return Feed(index + 1, first ? std::move(token) : " " + token, out);
    case Kind::kWordPiece:
      return Feed(index + 1, WordPieceToken(token, step, first, work_), out);
    case Kind::kSuffix:  // the last token is told from the others when the text ends
      std::swap(token, state.pending);
      if (!first) Feed(index + 1, ReplaceAll(token, step.content, " ", work_), out);
      return;
    case Kind::kCtc: {
      if (!first && token == state.pending) return;
      std::string text = CtcToken(token, step, work_);
      state.pending = std::move(token);
      if (!text.empty()) Feed(index + 1, std::move(text), out);
      return;
    }
  }
}

// Strip of a joined text that comes in pieces: the end is not known yet, so characters that may
// have to go wait in `pending`.
void Decoder::Run::FeedFused(size_t index, std::string_view chunk, std::string& out) {
  const DecoderStep& step = decoder_->steps_[index];
  State& state = states_[index];
  if (!state.in_text) {
    state.stripped += StripFront(chunk, step.content, step.strip_start - state.stripped);
    if (chunk.empty()) return;
    state.in_text = true;
  }
  std::string text = state.pending + std::string(chunk);
  std::string_view rest = text;
  StripBack(rest, step.content, step.strip_stop);
  state.pending = text.substr(rest.size());
  Feed(index + 1, std::string(rest), out);
}

// A run of byte tokens is valid as a whole, or each of its bytes is U+FFFD: Hugging Face's rule,
// and the reason why the bytes wait for the end of the run.
void Decoder::Run::FlushBytes(size_t index, std::string& out) {
  const std::string bytes = std::exchange(states_[index].pending, {});
  if (bytes.empty()) return;
  if (IsValidUtf8(bytes)) return Feed(index + 1, bytes, out);
  for (size_t i = 0; i < bytes.size(); ++i) Feed(index + 1, "\xEF\xBF\xBD", out);
}

void Decoder::Run::Flush(std::string& out) {
  for (size_t i = 0; i < states_.size(); ++i) {
    const Kind kind = decoder_->steps_[i].kind;
    if (kind == Kind::kByteFallback) FlushBytes(i, out);
    if (kind == Kind::kSuffix && states_[i].seen_token) {
      Feed(i + 1, ReplaceAll(states_[i].pending, decoder_->steps_[i].content, "", work_), out);
    }
    if (kind == Kind::kByteLevel && !states_[i].pending.empty()) {
      Feed(i + 1, LossyUtf8(std::exchange(states_[i].pending, {})), out);
    }
  }
  states_.assign(states_.size(), State{});
}

std::string Decoder::BytesOf(std::string_view token) const {
  std::string bytes(token);
  TextWork work;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const DecoderStep& step = steps_[i];
    switch (step.kind) {
      case Kind::kReplace:
        bytes = step.replacement->Apply(bytes, work);
        break;
      case Kind::kByteFallback:
        if (const std::optional<uint8_t> byte = ParseByteToken(bytes)) {
          return std::string(1, static_cast<char>(*byte));
        }
        break;
      case Kind::kMetaspace:
        bytes = ReplaceAll(bytes, step.content, " ", work);
        break;
      case Kind::kByteLevel:
        return ByteAlphabet::Get().Decode(bytes);
      case Kind::kJoin:
        bytes.insert(bytes.begin(), ' ');
        break;
      case Kind::kWordPiece:
        bytes = WordPieceToken(bytes, step, false, work);
        break;
      case Kind::kSuffix:
        bytes = ReplaceAll(bytes, step.content, " ", work);
        break;
      case Kind::kCtc:
        bytes = CtcToken(bytes, step, work);
        break;
      case Kind::kStrip:
        if (!fused_[i]) bytes = StripToken(bytes, step);
        break;
      case Kind::kFuse:
        break;
    }
  }
  return bytes;
}

}  // namespace inference
