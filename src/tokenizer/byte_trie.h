// Byte strings with a value each, found as prefixes of a text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/flat_map.h"
#include "util/error.h"

namespace inference {

class ByteTrie {  // immutable after the last Add, thread-safe
 public:
  static constexpr size_t kMaxNodes = size_t{1} << 24;  // up to 70 bytes each

  ByteTrie() { roots_.fill(0); }

  // `key` is not empty, value >= 0; a later value replaces an earlier one. LIMIT past kMaxNodes;
  // `name` (a path) begins the message.
  void Add(std::string_view key, int32_t value, std::string_view name) {
    Require(key.size() <= kMaxNodes - nodes(), Status::kLimit,
            "{}: the tokens have more than {} bytes together", name, kMaxNodes);
    uint32_t node = 0;
    for (size_t i = 0; i < key.size(); ++i) {
      const auto byte = static_cast<unsigned char>(key[i]);
      const uint64_t edge = (uint64_t{node} << 8) | byte;
      const uint64_t* next = edges_.Find(edge);
      if (next != nullptr) {
        node = static_cast<uint32_t>(*next);
        continue;
      }
      const auto made = static_cast<uint32_t>(value_at_.size());
      value_at_.push_back(-1);
      edges_.Set(edge, made);
      if (i == 0) roots_[byte] = made;
      node = made;
    }
    value_at_[node] = value;
  }

  // Calls `visit(length, value)` for each key that begins at text[at], the shortest first.
  // at < text.size().
  template <typename Visit>
  void ForEachPrefix(std::string_view text, size_t at, Visit visit) const {
    uint32_t node = roots_[static_cast<unsigned char>(text[at])];
    for (size_t end = at + 1; node != 0; ++end) {
      if (value_at_[node] >= 0) visit(end - at, value_at_[node]);
      if (end >= text.size()) return;
      const uint64_t* next =
          edges_.Find((uint64_t{node} << 8) | static_cast<unsigned char>(text[end]));
      if (next == nullptr) return;
      node = static_cast<uint32_t>(*next);
    }
  }

  bool BeginsKey(char byte) const { return roots_[static_cast<unsigned char>(byte)] != 0; }

 private:
  size_t nodes() const { return value_at_.size(); }

  FlatMap64 edges_;                    // (node << 8 | byte) -> node; node 0 is the root
  std::array<uint32_t, 256> roots_;    // the root's edges, 0: none
  std::vector<int32_t> value_at_{-1};  // -1: no key ends at this node
};

}  // namespace inference
