#include "engine/estimate.h"

#include <algorithm>
#include <utility>

#include "models/describe.h"

namespace inference {

namespace {

// Everything that one step of T tokens can hold at a time, were no memory used twice, and twice
// that: an intermediate may lie in a block of up to twice its size. The parts that kernels of many
// rows unpack into are per compute unit.
uint64_t StepBytes(const ModelDims& dims, int64_t T, int64_t compute_units) {
  constexpr int64_t kPartsPerUnit = 4, kUnpackedRows = 32;
  const int64_t D = dims.hidden_size, E = (dims.head_dim + 31) / 32 * 32;
  const int64_t H = dims.num_attention_heads, K = dims.num_key_value_heads;
  const int64_t F = dims.intermediate_size;
  const int64_t widest = std::max({D, H * E, F});
  const int64_t rows = T + 16;  // tiles are whole
  const int64_t a_token = 4 * D + 2 * (H + 2 * K) * E + 2 * H * E + 3 * F + widest;
  const int64_t parts = std::max<int64_t>(compute_units, 1) * kPartsPerUnit;
  const int64_t unpacked = parts * (widest + 32) * (kUnpackedRows + 2);
  return 2 * sizeof(float) * static_cast<uint64_t>(rows * a_token + unpacked + dims.vocab_size);
}

uint64_t SamplerBytes(const ModelDims& dims) {
  constexpr uint64_t kTables = 1 << 20;  // buckets and partial results
  return 8 * static_cast<uint64_t>(dims.vocab_size) + kTables;
}

// A decode step and a chunk are recorded at the same time.
uint64_t ScratchBytes(const ModelDescription& model, int64_t chunk, int64_t compute_units,
                      uint64_t kv_bytes) {
  const uint64_t steps =
      StepBytes(model.dims, chunk, compute_units) + StepBytes(model.dims, 1, compute_units);
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
  fit.scratch_bytes = ScratchBytes(model, chunk, compute_units,
                                   OldKvBytes(model.cache_specs, fit.context_length, chunk));
  const MemoryStats memory = runtime.MemoryOf(fit.device_index);
  fit.active_bytes = memory.active;
  fit.limit_bytes = memory.limit;
  return fit;
}

}  // namespace inference
