// What the engine drives and the models implement: tokens in, logits out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/kv_cache.h"
#include "tensor/recording.h"
#include "tensor/step_buffer.h"
#include "tensor/weight_format.h"

namespace inference {

struct ModelDims {
  std::string architecture;  // "llama", "gemma3"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  int64_t context_length = 0;  // what the model was made for
};

struct WeightStats {
  uint64_t parameters = 0;
  uint64_t bytes = 0;  // resident on the device
  uint64_t decode_bytes_per_token =
      0;                     // read for one token of one row: all but unused embedding rows
  WeightFormat main_format;  // of most of the block weights
};

enum class LogitsOf { kLast, kAll };

class CausalLm {
 public:
  virtual ~CausalLm() = default;
  virtual const ModelDims& dims() const = 0;
  virtual const WeightStats& stats() const = 0;
  virtual std::vector<LayerCacheSpec> cache_specs() const = 0;
  // Records the forward pass of T new tokens (ids and position in `step`), whose keys and values go
  // into `cache` (room is reserved). Returns logits [1, V] or [T, V]. Submission thread only.
  virtual Tensor Forward(Recording& recording, const StepBuffer& step, const KvCache& cache,
                         int64_t T, LogitsOf which) const = 0;
};

}  // namespace inference
