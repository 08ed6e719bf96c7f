#include "tokenizer/bpe.h"

#include <algorithm>
#include <span>
#include <utility>

#include "tokenizer/byte_alphabet.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr uint32_t kCharTable = 0x3000;  // Latin to CJK punctuation, with U+2581 and U+0100..
constexpr uint32_t kNone = ~uint32_t{0};

bool Later(const ModelScratch::Candidate& a, const ModelScratch::Candidate& b) {
  return a.order > b.order;
}

}  // namespace

Bpe::Bpe(TextTokens tokens, const BpeOptions& options)
    : tokens_(std::move(tokens)), options_(options), char_ids_(kCharTable, -1) {
  for (uint32_t c = 0; c < kCharTable; ++c) {
    std::string text;
    AppendUtf8(text, c);
    char_ids_[c] = tokens_.Find(text).value_or(-1);
  }
  if (options_.byte_fallback) byte_ids_ = tokens_.FindByteTokens();
}

void Bpe::AddMerge(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
  Require(static_cast<int64_t>(merges_.size()) < kMaxMerges, Status::kLimit,
          "{}: more than {} merges", tokens_.vocabulary().name(), kMaxMerges);
  if (!tokens_.Has(merged)) return;
  merges_.Set(FlatMap64::PairKey(left, right),
              (uint64_t{rank} << 32) | static_cast<uint32_t>(merged));
  AddJoint(left, right);
}

// Where the rule joins: the last character of `left` and the first of `right`.
void Bpe::AddJoint(int32_t left, int32_t right) {
  const std::string_view left_text = tokens_.vocabulary().Text(left);
  const std::string_view right_text = tokens_.vocabulary().Text(right);
  if (left_text.empty() || right_text.empty()) return;
  size_t last = left_text.size() - 1;
  while (last > 0 && (static_cast<unsigned char>(left_text[last]) & 0xC0) == 0x80) --last;
  const auto id_at = [&](std::string_view text, size_t at) {
    const Utf8Char c = DecodeUtf8(text, at);
    return FindCharacter(text.substr(at, c.length), c.code_point);
  };
  const int32_t left_id = id_at(left_text, last);
  const int32_t right_id = id_at(right_text, 0);
  if (left_id >= 0 && right_id >= 0) joints_.Set(FlatMap64::PairKey(left_id, right_id), 1);
}

void Bpe::AddMerge(std::string_view left, std::string_view right, uint32_t rank) {
  const auto find = [&](std::string_view text, std::string_view role) {
    const std::optional<int32_t> id = tokens_.vocabulary().Find(text);
    Require(id.has_value(), Status::kFormat,
            "{}: merge #{}: {} + {}: the {} is not in the vocabulary", tokens_.vocabulary().name(),
            rank, Quote(left), Quote(right), role);
    return *id;
  };
  Require(!left.empty() && !right.empty(), Status::kFormat, "{}: merge #{}: {} + {}: an empty half",
          tokens_.vocabulary().name(), rank, Quote(left), Quote(right));
  const int32_t left_id = find(left, "left half");
  const int32_t right_id = find(right, "right half");
  Require(right.size() >= options_.prefix.size(), Status::kFormat,
          "{}: merge #{}: {} + {}: the right half is shorter than the prefix {}",
          tokens_.vocabulary().name(), rank, Quote(left), Quote(right), Quote(options_.prefix));
  std::string whole;
  whole.reserve(left.size() + right.size());
  whole.append(left).append(right.substr(options_.prefix.size()));
  AddMerge(left_id, right_id, rank, find(whole, "whole"));
}

void Bpe::Encode(std::string_view word, ModelScratch& scratch, std::vector<int32_t>& out) const {
  if (word.empty()) return;
  if (options_.ignore_merges) {
    if (const std::optional<int32_t> id = tokens_.Find(word)) {
      out.push_back(*id);
      return;
    }
  }
  if (word.size() <= WordCache::kMaxWordBytes) return EncodePart(word, scratch, out);
  size_t begin = 0;
  int32_t previous = -1;
  size_t next_check = 0;
  for (size_t at = 0; at < word.size();) {
    if (at >= next_check) {
      ThrowIfCancelled(scratch.cancel, kEncoding);
      next_check = at + kBytesBetweenChecks;
    }
    const Utf8Char c = DecodeUtf8(word, at);
    const int32_t id = FindCharacter(word.substr(at, c.length), c.code_point);
    if (MayCut(previous, id)) {
      EncodePart(word.substr(begin, at - begin), scratch, out);
      begin = at;
    }
    previous = id;
    at += c.length;
  }
  EncodePart(word.substr(begin), scratch, out);
}

// Unknown characters (-1) stay with their neighbours, as a row of them may become one token.
bool Bpe::MayCut(int32_t left, int32_t right) const {
  return left >= 0 && right >= 0 && options_.prefix.empty() && options_.suffix.empty() &&
         joints_.Find(FlatMap64::PairKey(left, right)) == nullptr;
}

void Bpe::EncodePart(std::string_view part, ModelScratch& scratch,
                     std::vector<int32_t>& out) const {
  if (part.size() > WordCache::kMaxWordBytes) return MergePart(part, scratch, out);
  const uint64_t hash = WordCache::HashOf(part);
  if (scratch.cache.Find(part, hash, out)) return;
  const size_t before = out.size();
  MergePart(part, scratch, out);
  scratch.cache.Add(part, hash, std::span(out).subspan(before));
}

void Bpe::MergePart(std::string_view part, ModelScratch& scratch, std::vector<int32_t>& out) const {
  Split(part, scratch);
  if (scratch.symbols.size() > 1) Merge(scratch);
  for (const ModelScratch::Symbol& symbol : scratch.symbols) {
    if (symbol.id >= 0) out.push_back(symbol.id);
  }
}

// One symbol a character. An unknown one waits until a known one comes, as in Hugging Face, so that
// byte tokens overtake it.
void Bpe::Split(std::string_view word, ModelScratch& scratch) const {
  std::vector<ModelScratch::Symbol>& symbols = scratch.symbols;
  symbols.clear();
  bool unk_waits = false;
  std::string decorated;
  for (size_t at = 0; at < word.size();) {
    if (symbols.size() % kBytesBetweenChecks == 0) ThrowIfCancelled(scratch.cancel, kEncoding);
    const Utf8Char c = DecodeUtf8(word, at);
    std::string_view text = word.substr(at, c.length);
    const bool first = at == 0;
    at += c.length;
    uint32_t code_point = c.code_point;
    if ((!first && !options_.prefix.empty()) || (at == word.size() && !options_.suffix.empty())) {
      decorated.assign(first ? "" : options_.prefix).append(text);
      if (at == word.size()) decorated.append(options_.suffix);
      text = decorated;
      code_point = kCharTable;
    }
    const int32_t id = FindCharacter(text, code_point);
    if (id >= 0) {
      if (std::exchange(unk_waits, false)) symbols.push_back({options_.unk_id, 0, 0});
      symbols.push_back({id, 0, 0});
    } else if (!AppendBytes(text, scratch)) {
      if (options_.unk_id < 0) FailUnknown(text);
      if (unk_waits && !options_.fuse_unk) symbols.push_back({options_.unk_id, 0, 0});
      unk_waits = true;
    }
  }
  if (unk_waits) symbols.push_back({options_.unk_id, 0, 0});
  const auto count = static_cast<uint32_t>(symbols.size());
  for (uint32_t i = 0; i < count; ++i) {
    symbols[i].previous = i == 0 ? kNone : i - 1;
    symbols[i].next = i + 1 == count ? kNone : i + 1;
  }
}

// The id of `text`, -1: none. `code_point`: what it is where it is one character, else kCharTable.
int32_t Bpe::FindCharacter(std::string_view text, uint32_t code_point) const {
  if (code_point < kCharTable) return char_ids_[code_point];
  return tokens_.Find(text).value_or(-1);
}

void Bpe::FailUnknown(std::string_view character) const {
  const std::string what =
      options_.byte_level && options_.prefix.empty() && options_.suffix.empty()
          ? fmt::format("byte 0x{:02X}",
                        static_cast<unsigned char>(ByteAlphabet::Get().Decode(character).front()))
      : DecodeUtf8(character, 0).length == character.size()
          ? fmt::format("U+{:04X}", DecodeUtf8(character, 0).code_point)
          : Quote(character);
  Fail(Status::kArg, "{}: {} of the text is not in the vocabulary, and there is no unknown token",
       tokens_.vocabulary().name(), what);
}

// False where byte fallback is off or one of the bytes has no token.
bool Bpe::AppendBytes(std::string_view text, ModelScratch& scratch) const {
  if (byte_ids_.empty()) return false;
  const auto id_of = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  for (const char c : text) {
    if (id_of(c) < 0) return false;
  }
  for (const char c : text) scratch.symbols.push_back({id_of(c), 0, 0});
  return true;
}

// Pushes the pair that begins at `left` where a rule merges it. The caller restores the heap.
void Bpe::Queue(uint32_t left, ModelScratch& scratch) const {
  const ModelScratch::Symbol& symbol = scratch.symbols[left];
  if (symbol.next == kNone) return;
  const int32_t right_id = scratch.symbols[symbol.next].id;
  const uint64_t* rule = merges_.Find(FlatMap64::PairKey(symbol.id, right_id));
  if (rule == nullptr) return;
  const auto merged = static_cast<int32_t>(*rule & 0xFFFFFFFF);
  scratch.heap.push_back({(*rule & ~uint64_t{0xFFFFFFFF}) | left, symbol.id, right_id, merged});
}

void Bpe::Merge(ModelScratch& scratch) const {
  std::vector<ModelScratch::Symbol>& symbols = scratch.symbols;
  std::vector<ModelScratch::Candidate>& heap = scratch.heap;
  heap.clear();
  for (uint32_t i = 0; i + 1 < symbols.size(); ++i) Queue(i, scratch);
  std::make_heap(heap.begin(), heap.end(), Later);
  while (!heap.empty()) {
    scratch.Tick();
    const ModelScratch::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), Later);
    heap.pop_back();
    const auto at = static_cast<uint32_t>(best.order & 0xFFFFFFFF);
    ModelScratch::Symbol& left = symbols[at];
    if (left.id != best.left || left.next == kNone || symbols[left.next].id != best.right) continue;
    ModelScratch::Symbol& right = symbols[left.next];
    left.id = best.merged;
    right.id = -1;
    left.next = right.next;
    if (right.next != kNone) symbols[right.next].previous = at;
    for (const uint32_t from : {left.previous, at}) {
      if (from == kNone) continue;
      const size_t before = heap.size();
      Queue(from, scratch);
      if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), Later);
    }
  }
}

}  // namespace inference
