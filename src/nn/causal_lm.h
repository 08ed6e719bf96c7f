// What the engine drives and the models implement: tokens in, hidden states
// and logits out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/lora.h"
#include "nn/residual_stream.h"
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

// Of what is resident: the first `bytes` of a buffer.
struct WeightBytes {
  Buffer buffer;
  uint64_t bytes = 0;
};

// An adapter in use in a step: one BlockLora a layer, borrowed until the recording is made.
struct StepAdapter {
  const std::vector<BlockLora>* blocks;
  LoraCoefs coefs;
};

class CausalLm {
 public:
  virtual ~CausalLm() = default;
  virtual const ModelDims& dims() const = 0;
  virtual const WeightStats& stats() const = 0;
  virtual const std::vector<WeightBytes>& weights() const = 0;  // in the order of loading
  virtual std::vector<LayerCacheSpec> cache_specs() const = 0;
  // Whether a block's gate and up alternate in one matrix: adapters are packed by it.
  virtual bool GateUpAlternates(int64_t layer) const = 0;
  // Records the forward pass of the step's tokens, whose keys and values go into `cache` (room is
  // reserved), through the first `layers` blocks. Submission thread only, as what follows.
  virtual ResidualStream Forward(Recording& recording, const Step& step, const KvCache& cache,
                                 int64_t layers,
                                 std::span<const StepAdapter> adapters = {}) const = 0;
  // Logits of the step's outputs first ... first + count - 1: [count, V].
  virtual Tensor Logits(Recording& recording, const Step& step, const ResidualStream& stream,
                        int64_t first, int64_t count) const = 0;
  // Hidden states of the same outputs, [count, hidden_size]: what the head reads where is_last (all
  // layers are in the stream), otherwise the stream as it is, before any norm of the next layer.
  virtual Tensor Hidden(Recording& recording, const Step& step, const ResidualStream& stream,
                        int64_t first, int64_t count, bool is_last) const = 0;
};

}  // namespace inference
