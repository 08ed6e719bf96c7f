// Keys and values of one sequence, a CacheView a layer. Layers grow with use (by copy, in doubling
// steps); those with a sliding window up to a ring of window + chunk positions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/device.h"
#include "ops/attention.h"

namespace inference {

constexpr int64_t kMaxCacheLength = 1 << 30;  // positions: kernels count them in 32 bits

struct LayerCacheSpec {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;        // 0 = full attention
  DType type = DType::kF32;  // of keys and values: or kF16
};

std::vector<LayerCacheSpec> WithType(std::vector<LayerCacheSpec> layers, DType type);

// Bytes that a token adds to the layers with full attention.
uint64_t KvBytesPerToken(const std::vector<LayerCacheSpec>& layers);
// Bytes of a KvCache of these sizes that holds max_length tokens: what bytes() is then.
uint64_t FullKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                     int64_t max_chunk);
// Bytes of the buffers that its last growth at most replaces: they are there until it is done.
uint64_t OldKvBytes(const std::vector<LayerCacheSpec>& layers, int64_t max_length,
                    int64_t max_chunk);

class KvCache {
 public:
  // max_length: tokens at most. max_chunk: most tokens appended in one step (sizes the rings).
  // Takes no memory before the first Reserve. LIMIT where the largest sizes overflow.
  KvCache(std::shared_ptr<Device> device, std::vector<LayerCacheSpec> layers, int64_t max_length,
          int64_t max_chunk);

  // Makes room for positions [0, length). Returns true where buffers moved: recordings that name
  // the old ones are stale. OOM_DEVICE leaves the cache as it was. Submission thread only.
  bool Reserve(int64_t length);
  const CacheView& layer(size_t index) const { return views_[index]; }
  int64_t max_length() const { return max_length_; }
  int64_t max_chunk() const { return max_chunk_; }
  uint64_t bytes() const;
  // The fewest tokens the sequence may be cut back to when it holds `length`: rings forget old
  // ones.
  int64_t OldestRestorable(int64_t length) const;

 private:
  std::shared_ptr<Device> device_;
  std::vector<LayerCacheSpec> specs_;
  std::vector<CacheView> views_;
  int64_t max_length_, max_chunk_, reserved_ = 0;
};

}  // namespace inference
