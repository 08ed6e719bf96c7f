// Keys and values that earlier requests have computed, for later ones that begin with the same
// tokens under the same adapters. A node is a block of 64 tokens after the blocks of its parent,
// and keeps a page of each group of layers.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "nn/kv_sequence.h"

namespace inference {

struct PrefixCacheStats {
  uint64_t limit = 0;       // bytes that only the cache may have
  uint64_t bytes = 0;       // that only the cache has: pages of a live sequence cost nothing
  uint64_t blocks = 0;      // of 64 tokens
  uint64_t hits = 0;        // look-ups that found a block at least
  uint64_t misses = 0;      // look-ups that found none
  uint64_t hit_tokens = 0;  // that need not be computed again
  uint64_t evictions = 0;   // blocks that were given up, wholly or their pages of windows
};

// Any thread.
class PrefixCache : public PageKeeper {
 public:
  PrefixCache(std::shared_ptr<KvCache> cache, uint64_t limit);
  ~PrefixCache() override;
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // A sequence that holds as many of the first `ids` as are cached under the adapters of `key`
  // (AdapterSet::key), whole blocks; none where these are not more than `held`. It can be cut back
  // as far as one that computed them. `is_counted`: as a hit or a miss, the latter.
  std::optional<KvSequence> Find(const std::string& key, std::span<const int32_t> ids, size_t held,
                                 bool is_counted);
  // Keeps the whole blocks of `ids`, which `sequence` holds computed by all layers.
  void Add(const std::string& key, std::span<const int32_t> ids,
           const KvSequence& sequence) noexcept;
  void Clear();
  PrefixCacheStats stats() const;

  void GiveBack(const std::function<bool()>& enough) noexcept override;

 private:
  using Block = std::array<int32_t, kCacheBlock>;
  struct Key {
    uint64_t parent = 0;   // number of a node; 0 = the first block
    std::string adapters;  // of a first block: those after it have its
    Block ids{};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Node {
    uint64_t number = 0;
    Node* parent = nullptr;
    const Key* key = nullptr;
    std::vector<int32_t> pages;  // by group; -1: none
    uint64_t children = 0;
    std::list<Node>::iterator self;
  };
  using Path = std::vector<Node*>;

  // What follows is locked.
  Path Walk(const std::string& key, std::span<const int32_t> ids);
  bool HoldsAll(const Path& path, size_t blocks) const;
  Node* NewNode(Node* parent, const std::string& key, std::span<const int32_t> ids);
  void Touch(const Path& path);
  bool IsIdle(const Node& node) const;
  void DropIdleWindows(Node& node);
  std::list<Node>::iterator Remove(std::list<Node>::iterator node);

  const std::shared_ptr<KvCache> cache_;
  const uint64_t limit_;
  mutable std::mutex mutex_;
  // The last used first; a parent is always before its children.
  std::list<Node> nodes_;
  std::unordered_map<Key, Node*, KeyHash> index_;
  uint64_t next_number_ = 1;
  PrefixCacheStats stats_;
};

}  // namespace inference
