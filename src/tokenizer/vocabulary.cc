#include "tokenizer/vocabulary.h"

#include <functional>

#include "util/error.h"

namespace inference {

namespace {

uint32_t HashOf(std::string_view text) {
  const uint64_t hash = std::hash<std::string_view>{}(text);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<uint8_t> ParseByteToken(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  const int high = HexDigit(text[3]);
  const int low = HexDigit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

void Vocabulary::Add(std::string_view text, int64_t id) {
  const uint32_t hash = HashOf(text);
  const uint32_t found = FindEntry(text, hash);
  if (found == kEmpty) {
    Append(text, id, hash);
    Insert(static_cast<uint32_t>(entries_.size() - 1));
    return;
  }
  Require(entries_[found].id == id, Status::kFormat,
          "{}: token {}: has the ids {} and {}, expected one", name_, Quote(text),
          entries_[found].id, id);
}

void Vocabulary::AddAllowingRepeats(std::string_view text, int64_t id) {
  const uint32_t hash = HashOf(text);
  const bool known = FindEntry(text, hash) != kEmpty;
  Append(text, id, hash);
  if (!known) Insert(static_cast<uint32_t>(entries_.size() - 1));
}

void Vocabulary::Append(std::string_view text, int64_t id, uint32_t hash) {
  Require(id >= 0 && id < kMaxTokens, id < 0 ? Status::kFormat : Status::kLimit,
          "{}: token {}: id is {}, expected an integer 0..{}", name_, Quote(text), id,
          kMaxTokens - 1);
  Require(static_cast<int64_t>(entries_.size()) < kMaxTokens, Status::kLimit,
          "{}: more than {} tokens", name_, kMaxTokens);
  Require(text.size() <= UINT32_MAX, Status::kLimit, "{}: a token of {} bytes", name_, text.size());
  entries_.push_back(
      {texts_.size(), static_cast<uint32_t>(text.size()), hash, static_cast<int32_t>(id)});
  texts_.append(text);
}

void Vocabulary::Insert(uint32_t index) {
  const auto place = [&](uint32_t i) {
    const size_t mask = table_.size() - 1;
    size_t at = entries_[i].hash & mask;
    while (table_[at] != kEmpty) at = (at + 1) & mask;
    table_[at] = i;
  };
  if (entries_.size() * 2 > table_.size()) {
    std::vector<uint32_t> old(table_.size() * 2, kEmpty);
    std::swap(old, table_);
    for (const uint32_t i : old) {
      if (i != kEmpty) place(i);
    }
  }
  place(index);
}

void Vocabulary::Finish() {
  Require(!entries_.empty(), Status::kFormat,
          "{}: vocabulary is empty, expected at least one token", name_);
  by_id_.assign(entries_.size(), kEmpty);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    Require(Has(entry.id), Status::kFormat,
            "{}: token {}: id is {}, but there are {} tokens and ids may leave no gap", name_,
            Quote(TextOf(entry)), entry.id, entries_.size());
    uint32_t& slot = by_id_[static_cast<size_t>(entry.id)];
    Require(slot == kEmpty, Status::kFormat, "{}: tokens {} and {} have the same id {}", name_,
            slot == kEmpty ? std::string() : Quote(TextOf(entries_[slot])), Quote(TextOf(entry)),
            entry.id);
    slot = i;
  }
}

std::string_view Vocabulary::Text(int32_t id) const {
  return TextOf(entries_[by_id_[static_cast<size_t>(id)]]);
}

uint32_t Vocabulary::FindEntry(std::string_view text, uint32_t hash) const {
  const size_t mask = table_.size() - 1;
  for (size_t at = hash & mask; table_[at] != kEmpty; at = (at + 1) & mask) {
    const Entry& entry = entries_[table_[at]];
    if (entry.hash == hash && TextOf(entry) == text) return table_[at];
  }
  return kEmpty;
}

std::optional<int32_t> Vocabulary::Find(std::string_view text) const {
  const uint32_t index = FindEntry(text, HashOf(text));
  if (index == kEmpty) return std::nullopt;
  return entries_[index].id;
}

int32_t Vocabulary::Get(std::string_view text, std::string_view name) const {
  const std::optional<int32_t> id = Find(text);
  Require(id.has_value(), Status::kFormat, "{}: {} is not in the vocabulary", name, Quote(text));
  return *id;
}

}  // namespace inference
