// What a checkpoint would take of a device, before anything of it is loaded.
#pragma once

#include <string>

#include "engine/model.h"

namespace inference {

struct Fit {
  size_t device_index = 0;
  int64_t context_length = 0;       // tokens that kv_bytes are for
  uint64_t weight_bytes = 0;        // as a load reports them, exactly
  uint64_t kv_bytes_per_token = 0;  // of the layers with full attention
  uint64_t kv_bytes = 0;            // of one session that is full; of windows at most
  uint64_t scratch_bytes = 0;       // at most: intermediates, sampler, a growing cache's old copy
  uint64_t active_bytes = 0;        // in use on the device now
  uint64_t limit_bytes = 0;         // of the device

  uint64_t wanted() const { return weight_bytes + kv_bytes + scratch_bytes; }
  uint64_t left() const { return limit_bytes > active_bytes ? limit_bytes - active_bytes : 0; }
  bool fits() const { return wanted() <= left(); }
};

// Reads headers and config, no matrix; opens no device. Fails as Model::Load would, but for memory.
Fit EstimateModel(const Runtime& runtime, const std::string& path, const LoadOptions& options);

}  // namespace inference
