#include "nn/kv_cache.h"

#include <algorithm>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kFirstPages = 4;
constexpr int64_t kMaxPages = int64_t{1} << 30;

int64_t BlocksOf(int64_t positions) { return (positions + kCacheBlock - 1) / kCacheBlock; }

uint64_t PageBytes(const LayerCacheSpec& spec) {
  return CacheBytes(kCacheBlock, spec.kv_heads, spec.head_dim, spec.type);
}

// That a sequence ever has in a layer: what a query sees and what a chunk adds lie anywhere, and
// what a small cut needs stays.
int64_t SequencePages(int64_t window, int64_t max_length, int64_t max_chunk) {
  if (window == 0) return BlocksOf(max_length);
  return std::min(BlocksOf(max_length), BlocksOf(window + kCacheBlock / 2 + max_chunk) + 1);
}

uint64_t SequenceBytes(const LayerCacheSpec& spec, int64_t max_length, int64_t max_chunk) {
  const int64_t pages = SequencePages(spec.window, max_length, max_chunk);
  return 2 * CacheBytes(pages * kCacheBlock, spec.kv_heads, spec.head_dim, spec.type);
}

}  // namespace

std::vector<LayerCacheSpec> WithType(std::vector<LayerCacheSpec> layers, DType type) {
  for (LayerCacheSpec& spec : layers) spec.type = type;
  return layers;
}

uint64_t KvBytesPerToken(const std::vector<LayerCacheSpec>& layers) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    if (spec.window == 0) bytes += 2 * PageBytes(spec) / kCacheBlock;
  }
  return bytes;
}

uint64_t FullKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                     int64_t max_chunk) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    bytes += SequenceBytes(spec, max_length, std::min(max_chunk, max_length));
  }
  return bytes;
}

// Layers grow one after the other.
uint64_t OldKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                    int64_t max_chunk) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    bytes = std::max(bytes, SequenceBytes(spec, max_length, std::min(max_chunk, max_length)));
  }
  return bytes;
}

KvCache::KvCache(std::shared_ptr<Device> device, std::vector<LayerCacheSpec> layers,
                 int64_t max_length, int64_t max_chunk, uint64_t max_bytes)
    : device_(std::move(device)),
      specs_(std::move(layers)),
      max_length_(max_length),
      max_chunk_(std::min(max_chunk, max_length)),
      max_bytes_(max_bytes) {
  Require(max_length >= 1 && max_length <= kMaxCacheLength && max_chunk >= 1, Status::kLimit,
          "KV cache: {} positions in chunks of {}, want 1..{} in chunks of at least 1", max_length,
          max_chunk, kMaxCacheLength);
  for (size_t i = 0; i < specs_.size(); ++i) {
    const LayerCacheSpec& spec = specs_[i];
    Require(spec.kv_heads >= 1 && spec.head_dim >= 1 && spec.window >= 0, Status::kInternal,
            "KV cache: a layer of {} heads of {}, window {}", spec.kv_heads, spec.head_dim,
            spec.window);
    SequenceBytes(spec, max_length_, max_chunk_);
    // A window that nothing leaves is full attention.
    const int64_t window = spec.window >= max_length_ ? 0 : spec.window;
    auto group = std::ranges::find(groups_, window, &Group::window);
    if (group == groups_.end()) {
      groups_.push_back({.window = window,
                         .layers = {},
                         .sequence_pages = SequencePages(window, max_length_, max_chunk_),
                         .users = {},
                         .kept = {},
                         .free = {}});
      group = groups_.end() - 1;
    }
    group->layers.push_back(i);
    group->page_bytes += 2 * PageBytes(spec);
    views_.push_back({.window = spec.window,
                      .type = spec.type,
                      .group = static_cast<int32_t>(group - groups_.begin())});
  }
}

uint64_t KvCache::LayerPageBytes(size_t layer) const { return PageBytes(specs_[layer]); }

bool KvCache::HasFree(const std::vector<int64_t>& pages) const {
  const std::lock_guard lock(mutex_);
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (static_cast<int64_t>(groups_[g].free.size()) < pages[g]) return false;
  }
  return true;
}

void KvCache::Reserve(const std::vector<int64_t>& pages) {
  try {
    GrowFor(pages);
  } catch (const Error& error) {
    if (error.status() != Status::kOomDevice || keeper_ == nullptr) throw;
    keeper_->GiveBack([&] { return HasFree(pages); });
    if (HasFree(pages)) return;
    Shrink();  // what one group does not need may be what another lacks
    GrowFor(pages);
  }
}

void KvCache::GrowFor(const std::vector<int64_t>& pages) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    int64_t there = 0, missing = 0;
    {
      const std::lock_guard lock(mutex_);
      there = static_cast<int64_t>(group.users.size());
      missing = pages[g] - static_cast<int64_t>(group.free.size());
    }
    if (missing <= 0) continue;
    const int64_t least = there + missing;
    Require(least <= kMaxPages, Status::kLimit, "KV cache: {} pages, at most {}", least, kMaxPages);
    // By doubling, but a first sequence gets no more than it can use; where memory is short, what
    // must be.
    int64_t wanted = std::max({least, 2 * there, kFirstPages});
    if (wanted > group.sequence_pages) wanted = std::max(least, group.sequence_pages);
    if (there >= group.sequence_pages) wanted = std::max(least, there + there / 2);
    if (max_bytes_ != 0) {
      const uint64_t others = bytes() - static_cast<uint64_t>(there) * group.page_bytes;
      const auto fit =
          static_cast<int64_t>((max_bytes_ - std::min(others, max_bytes_)) / group.page_bytes);
      Require(least <= fit, Status::kOomDevice, "KV cache: {} bytes wanted, kv_limit is {}",
              others + static_cast<uint64_t>(least) * group.page_bytes, max_bytes_);
      wanted = std::min(wanted, fit);
    }
    try {
      Grow(g, wanted);
    } catch (const Error& error) {
      if (error.status() != Status::kOomDevice || wanted == least) throw;
      Grow(g, least);
    }
  }
}

// A failure leaves the layers before it with more pages than are counted.
void KvCache::Grow(size_t g, int64_t pages) {
  Group& group = groups_[g];
  const auto old_pages = static_cast<uint64_t>(group.users.size());
  for (const size_t layer : group.layers) {
    CacheView& view = views_[layer];
    const uint64_t page = LayerPageBytes(layer), bytes = page * static_cast<uint64_t>(pages);
    for (Buffer* buffer : {&view.keys, &view.values}) {
      if (buffer->size() >= bytes) continue;
      const Buffer grown = device_->Allocate(bytes);
      // Attention multiplies what it masks by 0: what was never written must be finite.
      device_->FillZero(grown, old_pages * page, bytes - old_pages * page);
      if (old_pages > 0) device_->Copy(*buffer, 0, grown, 0, old_pages * page);
      *buffer = grown;
      ++version_;
    }
  }
  const std::lock_guard lock(mutex_);
  group.free.reserve(static_cast<size_t>(pages));  // Release must not fail
  group.users.resize(static_cast<size_t>(pages));
  group.kept.resize(static_cast<size_t>(pages));
  for (auto i = static_cast<int64_t>(old_pages); i < pages; ++i) {
    Free(group, static_cast<int32_t>(i));
  }
}

void KvCache::GiveBack() {
  if (keeper_ != nullptr) {
    keeper_->GiveBack([] { return false; });
  }
  Shrink();
}

void KvCache::Shrink() {
  for (Group& group : groups_) {
    uint64_t pages = 0;
    {
      const std::lock_guard lock(mutex_);
      pages = group.users.size();
      while (pages > 0 && group.users[pages - 1] == 0) --pages;
      if (pages == group.users.size()) continue;
      group.users.resize(pages);
      group.kept.resize(pages);
      std::erase_if(group.free, [&](int32_t page) { return static_cast<uint64_t>(page) >= pages; });
      std::ranges::make_heap(group.free, std::greater<>());
    }
    for (const size_t layer : group.layers) {
      CacheView& view = views_[layer];
      const uint64_t bytes = LayerPageBytes(layer) * pages;
      for (Buffer* buffer : {&view.keys, &view.values}) {
        Buffer smaller;
        try {
          if (pages > 0) smaller = device_->Allocate(bytes);
        } catch (const Error& error) {
          if (error.status() != Status::kOomDevice) throw;
          continue;  // the larger one serves as well
        }
        if (pages > 0) device_->Copy(*buffer, 0, smaller, 0, bytes);
        *buffer = smaller;
        ++version_;
      }
    }
  }
}

int32_t KvCache::Take(size_t g) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_[g];
  Require(!group.free.empty(), Status::kInternal, "KV cache: no free page in group {}", g);
  std::ranges::pop_heap(group.free, std::greater<>());
  const int32_t page = group.free.back();
  group.free.pop_back();
  group.users[static_cast<size_t>(page)] = 1;
  return page;
}

void KvCache::CopyPage(size_t g, int32_t from, int32_t to) {
  for (const size_t layer : groups_[g].layers) {
    const uint64_t page = LayerPageBytes(layer);
    for (const Buffer& buffer : {views_[layer].keys, views_[layer].values}) {
      device_->Copy(buffer, static_cast<uint64_t>(from) * page, buffer,
                    static_cast<uint64_t>(to) * page, page);
    }
  }
}

std::vector<std::byte> KvCache::ReadPage(size_t g, int32_t at) const {
  std::vector<std::byte> out(groups_[g].page_bytes);
  size_t done = 0;
  for (const size_t layer : groups_[g].layers) {
    const uint64_t page = LayerPageBytes(layer);
    for (const Buffer& buffer : {views_[layer].keys, views_[layer].values}) {
      device_->Read(buffer, static_cast<uint64_t>(at) * page, std::span(out).subspan(done, page));
      done += page;
    }
  }
  return out;
}

void KvCache::WritePage(size_t g, int32_t at, std::span<const std::byte> bytes) {
  Require(bytes.size() == groups_[g].page_bytes, Status::kInternal,
          "KV cache: a page of {} bytes, want {}", bytes.size(), groups_[g].page_bytes);
  for (const size_t layer : groups_[g].layers) {
    const uint64_t page = LayerPageBytes(layer);
    for (const Buffer& buffer : {views_[layer].keys, views_[layer].values}) {
      device_->Write(buffer, static_cast<uint64_t>(at) * page, bytes.first(page));
      bytes = bytes.subspan(page);
    }
  }
}

template <typename Byte>
void KvCache::EachPart(size_t g, std::span<Byte> bytes,
                       const std::function<void(const KvPage&, std::span<Byte>)>& visit) const {
  Require(bytes.size() == groups_[g].page_bytes, Status::kInternal,
          "KV cache: a page of {} bytes, want {}", bytes.size(), groups_[g].page_bytes);
  for (const size_t layer : groups_[g].layers) {
    const LayerCacheSpec& spec = specs_[layer];
    for (const bool is_keys : {true, false}) {
      visit({spec.kv_heads, spec.head_dim, spec.type, is_keys}, bytes.first(LayerPageBytes(layer)));
      bytes = bytes.subspan(LayerPageBytes(layer));
    }
  }
}

void KvCache::ClearPage(size_t g, std::span<std::byte> bytes, int64_t first) const {
  EachPart<std::byte>(g, bytes, [&](const KvPage& page, std::span<std::byte> part) {
    ClearSlots(page, part, first);
  });
}

bool KvCache::IsPageFinite(size_t g, std::span<const std::byte> bytes) const {
  bool is_finite = true;
  EachPart<const std::byte>(g, bytes, [&](const KvPage& page, std::span<const std::byte> part) {
    is_finite = is_finite && IsFinite(page, part);
  });
  return is_finite;
}

void KvCache::Free(Group& group, int32_t page) {
  group.free.push_back(page);
  std::ranges::push_heap(group.free, std::greater<>());
}

void KvCache::Share(size_t g, int32_t page) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_[g];
  const auto i = static_cast<size_t>(page);
  if (group.users[i]++ == 1 && group.kept[i]) idle_bytes_ -= group.page_bytes;
}

void KvCache::Release(size_t g, int32_t page) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_[g];
  const auto i = static_cast<size_t>(page);
  if (--group.users[i] == 0) Free(group, page);
  if (group.users[i] == 1 && group.kept[i]) idle_bytes_ += group.page_bytes;
}

void KvCache::SetKeeper(PageKeeper* keeper, uint64_t idle_limit) {
  const std::lock_guard lock(mutex_);
  keeper_ = keeper;
  idle_limit_ = idle_limit;
}

void KvCache::Keep(size_t g, int32_t page) {
  Share(g, page);
  const std::lock_guard lock(mutex_);
  groups_[g].kept[static_cast<size_t>(page)] = 1;
}

void KvCache::Unkeep(size_t g, int32_t page) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_[g];
  const auto i = static_cast<size_t>(page);
  group.kept[i] = 0;
  if (group.users[i] == 1) idle_bytes_ -= group.page_bytes;
  if (--group.users[i] == 0) Free(group, page);
}

uint64_t KvCache::idle_bytes() const {
  const std::lock_guard lock(mutex_);
  return idle_bytes_;
}

void KvCache::LimitIdle() {
  PageKeeper* keeper = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ <= idle_limit_) return;
    keeper = keeper_;
  }
  if (keeper == nullptr) return;
  keeper->GiveBack([&] {
    const std::lock_guard lock(mutex_);
    return idle_bytes_ <= idle_limit_;
  });
}

bool KvCache::IsShared(size_t group, int32_t page) const {
  const std::lock_guard lock(mutex_);
  return groups_[group].users[static_cast<size_t>(page)] > 1;
}

uint64_t KvCache::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const Group& group : groups_) total += group.users.size() * group.page_bytes;
  return total;
}

uint64_t KvCache::used_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const Group& group : groups_) {
    total += (group.users.size() - group.free.size()) * group.page_bytes;
  }
  return total;
}

}  // namespace inference
