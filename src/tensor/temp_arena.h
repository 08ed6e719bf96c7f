// Memory of intermediates. Recordings that run one after the other may share an arena: then it is
// as large as the largest of them needs.
#pragma once

#include <map>
#include <memory>

#include "device/device.h"
#include "tensor/tensor.h"

namespace inference {

// Submission thread only, but for the drop of a Tensor's lease, which may come with that of a
// recording on it.
class TempArena : public std::enable_shared_from_this<TempArena> {
 public:
  explicit TempArena(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // A float32 tensor whose memory serves later ones once its lease is gone. Nodes run in order, so
  // a later node may overwrite what an earlier one was the last to read. LIMIT, OOM_DEVICE.
  Tensor Take(const Shape& shape);
  void Clear() { free_.clear(); }  // recordings keep what they use

 private:
  std::shared_ptr<Device> device_;
  std::multimap<uint64_t, Buffer> free_;  // by size
};

}  // namespace inference
