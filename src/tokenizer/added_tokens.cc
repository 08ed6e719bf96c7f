#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

// The first byte of the code point that ends before `at`; at > 0.
size_t PreviousChar(std::string_view text, size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool TouchesWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWordChar(DecodeUtf8(text, PreviousChar(text, begin)).code_point)) return true;
  return end < text.size() && IsWordChar(DecodeUtf8(text, end).code_point);
}

size_t SkipSpacesBack(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const size_t previous = PreviousChar(text, at);
    if (!IsWhiteSpace(DecodeUtf8(text, previous).code_point)) break;
    at = previous;
  }
  return std::max(at, limit);
}

size_t SkipSpaces(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (!IsWhiteSpace(c.code_point)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

void AddedTokenMatcher::Add(const AddedToken& token, std::string_view name) {
  Require(token.content.size() <= kMaxAddedTokenBytes, Status::kLimit,
          "{}: added token {} has {} bytes, expected at most {}", name, token.id,
          token.content.size(), kMaxAddedTokenBytes);
  trie_.Add(token.content, static_cast<int32_t>(tokens_.size()), name);
  tokens_.push_back(token);
}

const AddedToken* AddedTokenMatcher::FindLongest(std::string_view text, size_t at) const {
  const AddedToken* longest = nullptr;
  trie_.ForEachPrefix(
      text, at, [&](size_t, int32_t index) { longest = &tokens_[static_cast<size_t>(index)]; });
  return longest;
}

void AddedTokenMatcher::FindAll(std::string_view text, bool parse_special, const TextWork& work,
                                std::vector<Match>& out) const {
  out.clear();
  size_t free = 0;  // where the text that no match has taken begins
  size_t next_check = 0;
  for (size_t at = 0; at < text.size();) {
    if (at >= next_check) {
      work.CheckCancel();
      next_check = at + kBytesBetweenChecks;
    }
    if (!trie_.BeginsKey(text[at])) {
      ++at;
      continue;
    }
    const AddedToken* token = FindLongest(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    at = end;
    if (token->special && !parse_special) continue;
    if (token->single_word && TouchesWord(text, begin, end)) continue;
    if (token->lstrip) begin = SkipSpacesBack(text, begin, std::min(begin, free));
    if (token->rstrip) end = SkipSpaces(text, end);
    out.push_back({begin, end, token->id});
    free = end;
    at = std::max(at, free);
  }
}

}  // namespace inference
