#include "engine/estimate.h"

#include <algorithm>
#include <utility>

#include "device/tuning.h"
#include "models/describe.h"
#include "ops/attention.h"

namespace inference {

namespace {

// Everything that one step of T tokens can hold at a time, were no memory used twice, and twice
// that: an intermediate may lie in a block of up to twice its size. What a part of a kernel works
// in is per compute unit: a panel of weights with its sums (src/ops/matmul.cc), rows of the input;
// and one token's attention has results of each block of the `context` (src/ops/attention.cc).
uint64_t StepBytes(const ModelDims& dims, int64_t T, int64_t context, int64_t compute_units) {
  constexpr int64_t kPanel = 4096, kPanelRows = 32, kTileRows = 14;
  const int64_t D = dims.hidden_size, E = (dims.head_dim + 31) / 32 * 32;
  const int64_t H = dims.num_attention_heads, K = dims.num_key_value_heads;
  const int64_t F = dims.intermediate_size;
  const int64_t widest = std::max({D, H * E, F});
  const int64_t rows = T + 16;  // tiles are whole
  const int64_t a_token = 4 * D + 2 * (H + 2 * K) * E + 2 * H * E + 3 * F + 2 * widest + 4 * E;
  const int64_t parts = std::max<int64_t>(compute_units, 1) * kMaxPartsPerComputeUnit;
  const int64_t worked_in = parts * (kPanel + rows * kPanelRows + kTileRows * (widest + 32));
  const int64_t blocks = H * (context / kCacheBlock + 4) * (E + 16);
  return 2 * sizeof(float) *
         static_cast<uint64_t>(rows * a_token + worked_in + blocks + dims.vocab_size);
}

uint64_t SamplerBytes(const ModelDims& dims) {
  constexpr uint64_t kTables = 1 << 20;  // buckets, partial results, options
  // Probabilities and changed logits; the table of what changes them grows to 12 bytes an id.
  return 32 * static_cast<uint64_t>(dims.vocab_size) + kTables;
}

// A decode step and a chunk are recorded at the same time.
uint64_t ScratchBytes(const ModelDescription& model, int64_t chunk, int64_t context,
                      int64_t compute_units, uint64_t kv_bytes) {
  const uint64_t steps = StepBytes(model.dims, chunk, context, compute_units) +
                         StepBytes(model.dims, 1, context, compute_units);
  return steps + SamplerBytes(model.dims) + kv_bytes;  // the old cache is there while it is copied
}

}  // namespace

Fit EstimateModel(const Runtime& runtime, const std::string& path, const LoadOptions& options) {
  const Checkpoint checkpoint = OpenCheckpoint(path, options.text.allow_symlinks);
  ModelDescription model = DescribeModel(checkpoint, options.context_length);
  model.cache_specs = WithType(std::move(model.cache_specs), options.kv_type);
  Fit fit;
  fit.device_index = runtime.FindDevice(options.device);
  fit.context_length =
      options.context_length == 0 ? model.dims.context_length : options.context_length;
  const int64_t chunk = std::min(options.prefill_chunk, fit.context_length);
  fit.weight_bytes = model.weights.bytes;
  fit.kv_bytes_per_token = KvBytesPerToken(model.cache_specs);
  fit.kv_bytes = FullKvBytes(model.cache_specs, fit.context_length, chunk);
  const auto compute_units = static_cast<int64_t>(runtime.device(fit.device_index).compute_units);
  fit.scratch_bytes = ScratchBytes(model, chunk, fit.context_length, compute_units,
                                   OldKvBytes(model.cache_specs, fit.context_length, chunk));
  const MemoryStats memory = runtime.MemoryOf(fit.device_index);
  fit.active_bytes = memory.active;
  fit.limit_bytes = memory.limit;
  return fit;
}

}  // namespace inference
