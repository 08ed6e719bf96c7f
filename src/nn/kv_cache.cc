#include "nn/kv_cache.h"

#include <algorithm>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kFirstCapacity = 256;  // positions; a multiple of kCacheBlock

int64_t RoundUp(int64_t positions) {
  return (positions + kCacheBlock - 1) / kCacheBlock * kCacheBlock;
}

// The slots that a layer ever needs: a ring must hold the window of a chunk's first token and all
// of the chunk.
int64_t MaxCapacity(const LayerCacheSpec& spec, int64_t max_length, int64_t max_chunk) {
  if (spec.window == 0 || spec.window > max_length) return RoundUp(max_length);
  return std::min(RoundUp(max_length), RoundUp(spec.window + max_chunk));
}

// Up to its most a layer never wraps, so position p is slot p in the old and in the new buffer.
// Both layouts keep the positions of one head together.
void CopyHeads(Device& device, const LayerCacheSpec& spec, const CacheView& from, CacheView& to) {
  const auto heads = static_cast<uint64_t>(spec.kv_heads);
  const uint64_t old_bytes = CacheBytes(from.capacity, 1, spec.head_dim, spec.type);
  const uint64_t new_bytes = CacheBytes(to.capacity, 1, spec.head_dim, spec.type);
  for (uint64_t h = 0; h < heads; ++h) {
    device.Copy(from.keys, h * old_bytes, to.keys, h * new_bytes, old_bytes);
    device.Copy(from.values, h * old_bytes, to.values, h * new_bytes, old_bytes);
  }
}

uint64_t LayerBytes(const LayerCacheSpec& spec, int64_t capacity) {
  return 2 * CacheBytes(capacity, spec.kv_heads, spec.head_dim, spec.type);
}

}  // namespace

std::vector<LayerCacheSpec> WithType(std::vector<LayerCacheSpec> layers, DType type) {
  for (LayerCacheSpec& spec : layers) spec.type = type;
  return layers;
}

uint64_t KvBytesPerToken(const std::vector<LayerCacheSpec>& layers) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    if (spec.window == 0) bytes += LayerBytes(spec, kCacheBlock) / kCacheBlock;
  }
  return bytes;
}

uint64_t FullKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                     int64_t max_chunk) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    bytes += LayerBytes(spec, MaxCapacity(spec, max_length, std::min(max_chunk, max_length)));
  }
  return bytes;
}

uint64_t OldKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                    int64_t max_chunk) {
  uint64_t bytes = 0;
  for (const LayerCacheSpec& spec : layers) {
    const int64_t most = MaxCapacity(spec, max_length, std::min(max_chunk, max_length));
    int64_t capacity = kFirstCapacity;
    while (2 * capacity < most) capacity *= 2;
    if (capacity < most) bytes += LayerBytes(spec, capacity);
  }
  return bytes;
}

KvCache::KvCache(std::shared_ptr<Device> device, std::vector<LayerCacheSpec> layers,
                 int64_t max_length, int64_t max_chunk)
    : device_(std::move(device)),
      specs_(std::move(layers)),
      max_length_(max_length),
      max_chunk_(max_chunk) {
  Require(max_length >= 1 && max_length <= kMaxCacheLength && max_chunk >= 1, Status::kLimit,
          "KV cache: {} positions in chunks of {}, want 1..{} in chunks of at least 1", max_length,
          max_chunk, kMaxCacheLength);
  max_chunk_ = std::min(max_chunk, max_length);
  for (const LayerCacheSpec& spec : specs_) {
    Require(spec.kv_heads >= 1 && spec.head_dim >= 1 && spec.window >= 0, Status::kInternal,
            "KV cache: a layer of {} heads of {}, window {}", spec.kv_heads, spec.head_dim,
            spec.window);
    LayerBytes(spec, MaxCapacity(spec, max_length_, max_chunk_));
    views_.push_back({.capacity = 0, .window = spec.window, .type = spec.type});
  }
}

bool KvCache::Reserve(int64_t length) {
  Require(length >= 0 && length <= max_length_, Status::kInternal,
          "KV cache: {} positions wanted, it holds at most {}", length, max_length_);
  if (length <= reserved_) return false;
  // New buffers first, all of them: a failure leaves the old ones in place.
  std::vector<CacheView> grown = views_;
  bool moved = false;
  for (size_t i = 0; i < grown.size(); ++i) {
    const int64_t most = MaxCapacity(specs_[i], max_length_, max_chunk_);
    const int64_t wanted = std::min(length, most);
    if (wanted <= views_[i].capacity) continue;
    int64_t capacity = std::max(views_[i].capacity, kFirstCapacity);
    while (capacity < wanted) capacity *= 2;
    grown[i].capacity = std::min(capacity, most);
    const uint64_t bytes =
        CacheBytes(grown[i].capacity, specs_[i].kv_heads, specs_[i].head_dim, specs_[i].type);
    grown[i].keys = device_->Allocate(bytes);
    grown[i].values = device_->Allocate(bytes);
    moved = true;
  }
  for (size_t i = 0; moved && i < grown.size(); ++i) {
    if (grown[i].capacity == views_[i].capacity) continue;
    // Attention multiplies what it masks by 0: slots that were never written must be finite.
    device_->FillZero(grown[i].keys, 0, grown[i].keys.size());
    device_->FillZero(grown[i].values, 0, grown[i].values.size());
    if (views_[i].capacity > 0) CopyHeads(*device_, specs_[i], views_[i], grown[i]);
  }
  views_ = std::move(grown);
  reserved_ = length;
  return moved;
}

uint64_t KvCache::bytes() const {
  uint64_t total = 0;
  for (const CacheView& view : views_) total += view.keys.size() + view.values.size();
  return total;
}

int64_t KvCache::OldestRestorable(int64_t length) const {
  int64_t oldest = 0;
  for (const CacheView& view : views_) {
    // The token at position n needs [n - window + 1, n); a ring holds [length - capacity, length).
    if (view.window == 0 || length <= view.capacity) continue;
    oldest = std::max(oldest, length - view.capacity + view.window - 1);
  }
  return std::min(oldest, length);
}

}  // namespace inference
