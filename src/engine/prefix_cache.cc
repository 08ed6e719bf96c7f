#include "engine/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

constexpr int32_t kNone = -1;
constexpr auto kBlock = static_cast<size_t>(kCacheBlock);

}  // namespace

size_t PrefixCache::KeyHash::operator()(const Key& key) const {
  uint64_t hash = key.parent ^ std::hash<std::string>()(key.adapters);
  for (const int32_t id : key.ids) {
    hash = (hash ^ static_cast<uint32_t>(id)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

PrefixCache::PrefixCache(std::shared_ptr<KvCache> cache, uint64_t limit)
    : cache_(std::move(cache)), limit_(limit) {
  cache_->SetKeeper(this, limit_);
}

PrefixCache::~PrefixCache() {
  cache_->SetKeeper(nullptr, 0);
  Clear();
}

// The nodes of the first blocks of `ids`, as far as there are any.
PrefixCache::Path PrefixCache::Walk(const std::string& key, Ids ids) {
  Path path;
  Key wanted{.parent = 0, .adapters = key};
  while (ids.size() >= kBlock) {
    std::ranges::copy(ids.first(kBlock), wanted.ids.begin());
    const auto found = index_.find(wanted);
    if (found == index_.end()) break;
    path.push_back(found->second);
    wanted.parent = found->second->number;
    wanted.adapters.clear();
    ids = ids.subspan(kBlock);
  }
  return path;
}

// Whether a sequence of the first `blocks` nodes would have all pages that it would have kept.
bool PrefixCache::HoldsAll(const Path& path, size_t blocks) const {
  const auto length = static_cast<int64_t>(blocks) * kCacheBlock;
  for (size_t g = 0; g < cache_->groups(); ++g) {
    const auto first = static_cast<size_t>(KvSequence::FirstKept(*cache_, g, length));
    for (size_t b = first; b < blocks; ++b) {
      if (path[b]->pages[g] == kNone) return false;
    }
  }
  return true;
}

std::optional<KvSequence> PrefixCache::Find(const std::string& key, Ids ids, size_t held,
                                            bool is_counted) {
  if (ids.size() / kBlock * kBlock <= held) return std::nullopt;
  std::optional<KvSequence> out(std::in_place, cache_);  // before the lock: see LimitIdle
  const std::lock_guard lock(mutex_);
  Path path = Walk(key, ids);
  while (path.size() * kBlock > held && !HoldsAll(path, path.size())) path.pop_back();
  const size_t length = path.size() * kBlock;
  if (length <= held) {
    stats_.misses += is_counted;
    return std::nullopt;
  }
  std::vector<std::vector<int32_t>> pages(cache_->groups());
  for (size_t g = 0; g < pages.size(); ++g) {
    const int64_t first = KvSequence::FirstKept(*cache_, g, static_cast<int64_t>(length));
    pages[g].resize(path.size(), kNone);
    for (auto b = static_cast<size_t>(first); b < path.size(); ++b) {
      pages[g][b] = path[b]->pages[g];
    }
  }
  out->Adopt(static_cast<int64_t>(length), std::move(pages));
  Touch(path);
  ++stats_.hits;
  stats_.hit_tokens += length - held;
  return out;
}

void PrefixCache::Add(const std::string& key, Ids ids, const KvSequence& sequence) noexcept {
  const std::lock_guard lock(mutex_);
  const size_t blocks = ids.size() / kBlock;
  Path path;
  try {
    path = Walk(key, ids);
    path.reserve(blocks);
    for (size_t b = path.size(); b < blocks; ++b) {
      path.push_back(NewNode(b == 0 ? nullptr : path[b - 1], key, ids.subspan(b * kBlock, kBlock)));
    }
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): what is there is whole
  }
  for (size_t b = 0; b < path.size(); ++b) {
    for (size_t g = 0; g < path[b]->pages.size(); ++g) {
      const int32_t page = sequence.page(g, static_cast<int64_t>(b));
      int32_t& kept = path[b]->pages[g];
      if (page == kNone || page == kept) continue;
      if (kept != kNone) {  // the same was computed twice: one of them is enough
        if (cache_->IsShared(g, kept)) continue;
        cache_->Unkeep(g, kept);
      }
      cache_->Keep(g, page);
      kept = page;
    }
  }
  Touch(path);
}

// At the front, without pages: it is to be touched with its ancestors before the lock goes.
PrefixCache::Node* PrefixCache::NewNode(Node* parent, const std::string& key, Ids ids) {
  Key wanted{.parent = parent == nullptr ? 0 : parent->number,
             .adapters = parent == nullptr ? key : std::string()};
  std::ranges::copy(ids, wanted.ids.begin());
  std::list<Node> one(1);
  Node& node = one.front();
  node.pages.assign(cache_->groups(), kNone);
  node.key = &index_.emplace(std::move(wanted), &node).first->first;
  node.number = next_number_++;
  node.parent = parent;
  node.self = one.begin();
  if (parent != nullptr) ++parent->children;
  nodes_.splice(nodes_.begin(), one);
  return &node;
}

void PrefixCache::Touch(const Path& path) {
  for (size_t i = path.size(); i-- > 0;) nodes_.splice(nodes_.begin(), nodes_, path[i]->self);
}

bool PrefixCache::IsIdle(const Node& node) const {
  for (size_t g = 0; g < node.pages.size(); ++g) {
    if (node.pages[g] != kNone && cache_->IsShared(g, node.pages[g])) return false;
  }
  return true;
}

// The chain stays as it is without them: what begins later on finds its own windows.
void PrefixCache::DropIdleWindows(Node& node) {
  bool dropped = false;
  for (size_t g = 0; g < node.pages.size(); ++g) {
    const int32_t page = node.pages[g];
    if (page == kNone || cache_->window(g) == 0 || cache_->IsShared(g, page)) continue;
    cache_->Unkeep(g, std::exchange(node.pages[g], kNone));
    dropped = true;
  }
  stats_.evictions += dropped;
}

std::list<PrefixCache::Node>::iterator PrefixCache::Remove(std::list<Node>::iterator it) {
  Node& node = *it;
  for (size_t g = 0; g < node.pages.size(); ++g) {
    if (node.pages[g] != kNone) cache_->Unkeep(g, node.pages[g]);
  }
  if (node.parent != nullptr) --node.parent->children;
  index_.erase(index_.find(*node.key));
  return nodes_.erase(it);
}

// First what nobody uses, the longest unused first: the end of a chain before what leads to it.
// Then the rest: a sequence that shares a page with the cache alone need not copy it to write to
// it.
void PrefixCache::GiveBack(const std::function<bool()>& enough) noexcept {
  const std::lock_guard lock(mutex_);
  for (const bool idle_only : {true, false}) {
    for (auto it = nodes_.end(); it != nodes_.begin() && !enough();) {
      --it;
      if (it->children == 0 && (!idle_only || IsIdle(*it))) {
        it = Remove(it);
        ++stats_.evictions;
      } else {
        DropIdleWindows(*it);
      }
    }
  }
}

void PrefixCache::Clear() {
  const std::lock_guard lock(mutex_);
  while (!nodes_.empty()) Remove(std::prev(nodes_.end()));
}

PrefixCacheStats PrefixCache::stats() const {
  const std::lock_guard lock(mutex_);
  PrefixCacheStats stats = stats_;
  stats.limit = limit_;
  stats.bytes = cache_->idle_bytes();
  stats.blocks = nodes_.size();
  return stats;
}

}  // namespace inference
