// Keys and values of all sequences over one network, in pages of 64 positions. Layers with the same
// window are a group: a page of a group has its positions in each of the group's layers, and a
// sequence has a page table a group. Pages count their users: sequences that begin alike share
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.h"
#include "ops/attention.h"
#include "ops/kv_page.h"

namespace inference {

constexpr int64_t kMaxCacheLength = 1 << 30;  // positions: kernels count them in 32 bits

struct LayerCacheSpec {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;        // 0 = full attention
  DType type = DType::kF32;  // of keys and values: or kF16, kQ8_0
};

std::vector<LayerCacheSpec> WithType(std::vector<LayerCacheSpec> layers, DType type);

// Bytes that a token adds to the layers with full attention.
uint64_t KvBytesPerToken(const std::vector<LayerCacheSpec>& layers);
// Bytes of a KvCache whose only sequence holds max_length tokens, computed in chunks of max_chunk.
uint64_t FullKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                     int64_t max_chunk);
// Bytes of the buffers that growth replaces at a time: they are there until it is done.
uint64_t OldKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                    int64_t max_chunk);

// Keeps pages that sequences have computed, for later ones that begin alike, and gives them up
// where there is no room.
class PageKeeper {
 public:
  virtual ~PageKeeper() = default;
  // Releases what it keeps, what is missed least first, until `enough` or nothing is left. Called
  // with no lock of the cache held, from any thread.
  virtual void GiveBack(const std::function<bool()>& enough) noexcept = 0;
};

class KvCache {
 public:
  // max_length: tokens of a sequence at most. max_chunk: of a step. max_bytes: of all pages, 0 =
  // what the device's limit allows. Takes no memory yet. LIMIT where the largest sizes overflow.
  KvCache(std::shared_ptr<Device> device, std::vector<LayerCacheSpec> layers, int64_t max_length,
          int64_t max_chunk, uint64_t max_bytes = 0);

  int64_t max_length() const { return max_length_; }
  size_t groups() const { return groups_.size(); }
  int64_t window(size_t group) const { return groups_[group].window; }
  uint64_t page_bytes(size_t group) const { return groups_[group].page_bytes; }
  // That a sequence keeps behind its end in a group with a window: so it can be cut back a little.
  int64_t kept_positions(size_t group) const { return groups_[group].window + kCacheBlock / 2; }

  // ---- submission thread only ----
  const CacheView& layer(size_t index) const { return views_[index]; }
  // Counts the moves of buffers: recordings made before the last one are stale.
  uint64_t version() const { return version_; }
  // So that `pages[group]` calls of Take succeed: what the keeper has goes first. OOM_DEVICE leaves
  // everything usable.
  void Reserve(const std::vector<int64_t>& pages);
  // Gives back what only the keeper has, and the memory behind the last page with a user.
  void GiveBack();
  int32_t Take(size_t group);  // a reserved page, with one user; what is in it is undefined
  void CopyPage(size_t group, int32_t from, int32_t to);
  // All of a page: of each layer of the group the keys, then the values. page_bytes(group).
  std::vector<std::byte> ReadPage(size_t group, int32_t page) const;
  void WritePage(size_t group, int32_t page, std::span<const std::byte> bytes);

  // ---- any thread ----
  // Of what ReadPage gives: zeros for the positions from `first` (0 to 64) on, and whether all is
  // numbers.
  void ClearPage(size_t group, std::span<std::byte> bytes, int64_t first) const;
  bool IsPageFinite(size_t group, std::span<const std::byte> bytes) const;
  void Share(size_t group, int32_t page);    // one user more
  void Release(size_t group, int32_t page);  // one less
  bool IsShared(size_t group, int32_t page) const;
  uint64_t bytes() const;       // of all pages, free ones too
  uint64_t used_bytes() const;  // of pages with users

  // One keeper at a time, null = none; it must not go before it is replaced. Pages that nobody else
  // has take at most idle_limit bytes after each LimitIdle.
  void SetKeeper(PageKeeper* keeper, uint64_t idle_limit);
  void Keep(size_t group, int32_t page);    // the keeper becomes a user of it, once
  void Unkeep(size_t group, int32_t page);  // and is none any more
  uint64_t idle_bytes() const;              // of pages that only the keeper has
  void LimitIdle();                         // to be called after Release, with no lock held

 private:
  struct Group {
    int64_t window = 0;
    std::vector<size_t> layers;
    uint64_t page_bytes = 0;
    int64_t sequence_pages = 0;   // that one sequence ever has
    std::vector<uint32_t> users;  // by page
    std::vector<char> kept;       // by page: the keeper is one of the users
    std::vector<int32_t> free;    // a heap: the lowest goes first, so that Shrink finds a free end
  };
  void GrowFor(const std::vector<int64_t>& pages);
  void Grow(size_t group, int64_t pages);
  void Shrink();
  bool HasFree(const std::vector<int64_t>& pages) const;
  void Free(Group& group, int32_t page);        // locked
  uint64_t LayerPageBytes(size_t layer) const;  // keys or values
  // Calls `visit` with the keys, then the values of each layer of a group.
  template <typename Byte>
  void EachPart(size_t group, std::span<Byte> bytes,
                const std::function<void(const KvPage&, std::span<Byte>)>& visit) const;

  const std::shared_ptr<Device> device_;
  const std::vector<LayerCacheSpec> specs_;
  const int64_t max_length_, max_chunk_;
  const uint64_t max_bytes_;
  std::vector<CacheView> views_;
  uint64_t version_ = 0;
  mutable std::mutex mutex_;  // of users, kept, free, and what follows
  std::vector<Group> groups_;
  PageKeeper* keeper_ = nullptr;
  uint64_t idle_limit_ = 0, idle_bytes_ = 0;
};

}  // namespace inference
