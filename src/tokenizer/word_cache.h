// Ids of the words that a text has had so far: most words of a text come again.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace inference {

class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;

  static uint64_t HashOf(std::string_view word) { return std::hash<std::string_view>{}(word); }

  // Appends the ids of `word` to `out`; false where it is not known. `hash` is HashOf(word).
  bool Find(std::string_view word, uint64_t hash, std::vector<int32_t>& out) const {
    if (entries_.empty()) return false;
    const Entry& entry = entries_[Position(entries_, word, hash)];
    if (entry.bytes == 0) return false;
    const auto begin = ids_.begin() + entry.first_id;
    out.insert(out.end(), begin, begin + entry.ids);
    return true;
  }

  // `word` is not known, has 1 to kMaxWordBytes bytes. Forgets new words once there are many.
  void Add(std::string_view word, uint64_t hash, std::span<const int32_t> ids) {
    if (size_ == kMaxEntries) return;
    if ((size_ + 1) * 2 > entries_.size()) Grow();
    Entry& entry = entries_[Position(entries_, word, hash)];
    entry = {hash, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(ids_.size()),
             static_cast<uint32_t>(word.size()), static_cast<uint32_t>(ids.size())};
    texts_.append(word);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    ++size_;
  }

 private:
  static constexpr size_t kMaxEntries = size_t{1} << 15;

  struct Entry {
    uint64_t hash;
    uint32_t first_byte;  // in texts_
    uint32_t first_id;    // in ids_
    uint32_t bytes;       // 0: the entry is free
    uint32_t ids;
  };

  // The entry of `word`, or the free one where it belongs.
  size_t Position(const std::vector<Entry>& entries, std::string_view word, uint64_t hash) const {
    const size_t mask = entries.size() - 1;
    size_t at = hash & mask;
    for (; entries[at].bytes != 0; at = (at + 1) & mask) {
      const Entry& entry = entries[at];
      if (entry.hash == hash &&
          std::string_view(texts_).substr(entry.first_byte, entry.bytes) == word) {
        break;
      }
    }
    return at;
  }

  void Grow() {
    std::vector<Entry> larger(entries_.empty() ? 64 : entries_.size() * 4, Entry{});
    for (const Entry& entry : entries_) {
      if (entry.bytes == 0) continue;
      size_t at = entry.hash & (larger.size() - 1);
      while (larger[at].bytes != 0) at = (at + 1) & (larger.size() - 1);
      larger[at] = entry;
    }
    entries_ = std::move(larger);
  }

  std::vector<Entry> entries_;  // a power of two, at least half of them free
  std::string texts_;
  std::vector<int32_t> ids_;
  size_t size_ = 0;
};

}  // namespace inference
