#include "ops/attention.h"

#include <algorithm>

#include "util/checked.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kQueryTile = 8;  // queries that share the reading of keys and values

int64_t PaddedHead(const HeadShape& shape) { return (shape.head_dim + 15) / 16 * 16; }

std::string Defines(const HeadShape& shape, DType type) {
  return fmt::format("-D HEAD_DIM={} -D N_MAX={}{}", shape.head_dim, kQueryTile,
                     type == DType::kF16 ? " -D KV_F16" : "");
}

void CheckCache(const char* op, const CacheView& cache, int64_t T) {
  Require(cache.capacity > 0 && cache.capacity % kCacheBlock == 0, Status::kInternal,
          "{}: cache of {} slots, want a multiple of {}", op, cache.capacity, kCacheBlock);
  Require(T <= cache.capacity, Status::kInternal, "{}: {} tokens into a cache of {} slots", op, T,
          cache.capacity);
  Require(cache.type == DType::kF32 || cache.type == DType::kF16, Status::kInternal,
          "{}: cache of {}, want F32 or F16", op, InfoOf(cache.type).name);
}

uint64_t FloatBytes(int64_t values) { return static_cast<uint64_t>(values) * sizeof(float); }

// Of the keys and values of `positions`.
uint64_t CachedBytes(const HeadShape& shape, DType type, int64_t positions) {
  return 2 * CacheBytes(positions, shape.kv_heads, shape.head_dim, type);
}

std::string NameOf(const HeadShape& shape, DType type) {
  return fmt::format("{}/{} heads of {}{}", shape.heads, shape.kv_heads, shape.head_dim,
                     type == DType::kF16 ? ", kv f16" : "");
}

Work RopeWork(const HeadShape& shape, int64_t T, const RopeTable& rope, bool is_normed,
              DType type) {
  const int64_t turned = (shape.heads + shape.kv_heads) * T;  // heads
  const int64_t stored = shape.heads + 2 * shape.kv_heads, pairs = rope.inv_freq.dim(0);
  return {
      .what = NameOf(shape, type),
      .weight_bytes = is_normed ? FloatBytes(2 * shape.head_dim) : 0,
      .read_bytes = FloatBytes(stored * T * shape.head_dim + pairs),
      .written_bytes =
          FloatBytes(shape.heads * T * PaddedHead(shape)) + CachedBytes(shape, type, T),
      .flops = static_cast<uint64_t>(turned * (6 * pairs + (is_normed ? 4 : 0) * shape.head_dim))};
}

// Of T queries from `position` on: keys and values that any of them sees count once.
Work AttendWork(const HeadShape& shape, int64_t T, int64_t window, DType type, int64_t position) {
  int64_t seen = 0;  // pairs of a query and a position
  for (int64_t t = position; t < position + T; ++t) {
    seen += window > 0 ? std::min(t + 1, window) : t + 1;
  }
  const int64_t oldest = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  return {.what = NameOf(shape, type) + (window > 0 ? fmt::format(", window {}", window) : ""),
          .read_bytes = CachedBytes(shape, type, position + T - oldest) +
                        FloatBytes(T * shape.heads * PaddedHead(shape)),
          .written_bytes = FloatBytes(T * shape.heads * shape.head_dim),
          .flops = static_cast<uint64_t>(4 * seen * shape.heads * shape.head_dim)};
}

}  // namespace

uint64_t CacheBytes(int64_t capacity, int64_t kv_heads, int64_t head_dim, DType type) {
  const int64_t padded = PaddedHead({.head_dim = head_dim});
  const auto per_slot = CheckedMul(static_cast<uint64_t>(kv_heads) * InfoOf(type).block_bytes,
                                   static_cast<uint64_t>(padded));
  const auto bytes =
      per_slot ? CheckedMul(*per_slot, static_cast<uint64_t>(capacity)) : std::nullopt;
  Require(bytes.has_value(), Status::kLimit, "KV cache: {} positions of {} heads of {}: overflows",
          capacity, kv_heads, head_dim);
  return *bytes;
}

Tensor RopeAppend(Recording& recording, const Tensor& qkv, const HeadShape& shape,
                  const RopeTable& rope, const RopeOptions& options, const StepBuffer& step,
                  const CacheView& cache) {
  const int64_t T = qkv.dim(0);
  const int64_t columns = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  Require(qkv.dim(1) == columns, Status::kInternal, "rope: qkv is [{}], want [{}, {}]",
          fmt::join(qkv.shape, ", "), T, columns);
  Require(2 * rope.inv_freq.dim(0) <= shape.head_dim, Status::kInternal,
          "rope: {} frequencies for heads of {}", rope.inv_freq.dim(0), shape.head_dim);
  Require(static_cast<bool>(options.q_norm_weight) == static_cast<bool>(options.k_norm_weight),
          Status::kInternal, "rope: queries and keys are both normed or neither");
  CheckCache("rope", cache, T);
  Tensor q = recording.Temp({T, shape.heads * PaddedHead(shape)});
  recording.Launch("rope_append", {"attention"}, Defines(shape, cache.type), T,
                   RopeWork(shape, T, rope, static_cast<bool>(options.q_norm_weight), cache.type),
                   q.buffer, cache.keys, cache.values, qkv.buffer, rope.inv_freq.buffer,
                   options.q_norm_weight.buffer, options.k_norm_weight.buffer, step.buffer(),
                   static_cast<int32_t>(T), static_cast<int32_t>(shape.heads),
                   static_cast<int32_t>(shape.kv_heads), static_cast<int32_t>(rope.inv_freq.dim(0)),
                   static_cast<int32_t>(cache.capacity), rope.attention_factor, options.eps,
                   static_cast<int32_t>(static_cast<bool>(options.q_norm_weight)));
  return q;
}

Tensor Attend(Recording& recording, const Tensor& queries, const HeadShape& shape,
              const AttendOptions& options, const StepBuffer& step, const CacheView& cache) {
  const int64_t T = queries.dim(0);
  Require(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, Status::kInternal,
          "attend: {} heads over {} key-value heads", shape.heads, shape.kv_heads);
  Require(queries.dim(1) == shape.heads * PaddedHead(shape), Status::kInternal,
          "attend: queries are [{}], want [{}, {}]", fmt::join(queries.shape, ", "), T,
          shape.heads * PaddedHead(shape));
  CheckCache("attend", cache, T);
  Tensor o = recording.Temp({T, shape.heads * shape.head_dim});
  std::string defines = Defines(shape, cache.type);
  if (options.soft_cap > 0.0f) defines += fmt::format(" -D SOFT_CAP={:.9e}f", options.soft_cap);
  const int64_t tiles = T == 1 ? 1 : (T + kQueryTile - 1) / kQueryTile;
  const auto work = [shape, T, window = cache.window, type = cache.type](int64_t position) {
    return AttendWork(shape, T, window, type, position);
  };
  recording.Launch("attend", {"attention"}, defines, tiles * shape.heads, work, o.buffer,
                   queries.buffer, cache.keys, cache.values, step.buffer(), static_cast<int32_t>(T),
                   static_cast<int32_t>(shape.heads), static_cast<int32_t>(shape.kv_heads),
                   static_cast<int32_t>(cache.capacity), static_cast<int32_t>(cache.window),
                   options.scale);
  return o;
}

}  // namespace inference
