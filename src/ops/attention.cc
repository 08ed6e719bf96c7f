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

Work RopeWork(const HeadShape& shape, int64_t T, int64_t pairs, bool is_normed, DType type) {
  const int64_t turned = (shape.heads + shape.kv_heads) * T;  // heads
  const int64_t stored = shape.heads + 2 * shape.kv_heads;
  return {
      .what = NameOf(shape, type),
      .weight_bytes = is_normed ? FloatBytes(2 * shape.head_dim) : 0,
      .read_bytes = FloatBytes(stored * T * shape.head_dim + 2 * pairs * T),
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

// Of one token at `position`: the results of each block.
Work MergeWork(const HeadShape& shape, int64_t window, int64_t position) {
  const int64_t oldest = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  const int64_t results =
      (position / kCacheBlock - oldest / kCacheBlock + 1) * shape.heads * PaddedHead(shape);
  return {.what = fmt::format("{} heads of {}", shape.heads, shape.head_dim),
          .read_bytes = FloatBytes(results),
          .written_bytes = FloatBytes(shape.heads * shape.head_dim),
          .flops = static_cast<uint64_t>(3 * results)};
}

// One token on a CPU device: blocks of positions by themselves, then the blocks of each head.
void AttendByBlocks(Recording& recording, const Tensor& queries, const HeadShape& shape,
                    const AttendOptions& options, const StepBuffer& step, const CacheView& cache,
                    const std::string& defines, const LaunchWork& work, const Tensor& o) {
  const int64_t most_blocks =
      cache.capacity / kCacheBlock + 2;  // a window begins and ends anywhere
  const int64_t padded = PaddedHead(shape), gqa = shape.heads / shape.kv_heads;
  const Tensor results = recording.Temp({shape.heads, most_blocks, padded + 16});
  const std::string all = fmt::format("{} -D GQA={}", defines, gqa);
  const std::vector<std::string> files = {"kv_cache", "attention", "attention_decode"};
  recording.Launch("attend_blocks", files, all, shape.kv_heads * most_blocks, work, results.buffer,
                   queries.buffer, cache.keys, cache.values, step.buffer(),
                   static_cast<int32_t>(shape.kv_heads), static_cast<int32_t>(cache.capacity),
                   static_cast<int32_t>(cache.window), static_cast<int32_t>(most_blocks),
                   options.scale, 1.0f);
  recording.Launch(
      "attend_merge", files, all, shape.heads,
      [shape, window = cache.window](int64_t position) {
        return MergeWork(shape, window, position);
      },
      o.buffer, results.buffer, step.buffer(), static_cast<int32_t>(shape.heads),
      static_cast<int32_t>(cache.window), static_cast<int32_t>(most_blocks));
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

Tensor RopeAngles(Recording& recording, const RopeTable& rope, const StepBuffer& step, int64_t T) {
  const int64_t pairs = rope.inv_freq.dim(0);
  Tensor angles = recording.Temp({T, 2, pairs});
  recording.Launch("rope_angles", {"rope_angles"}, "", T,
                   Work{.what = fmt::format("{} frequencies", pairs),
                        .read_bytes = FloatBytes(pairs),
                        .written_bytes = FloatBytes(2 * pairs * T),
                        .flops = static_cast<uint64_t>(pairs * T)},
                   angles.buffer, rope.inv_freq.buffer, step.buffer(), static_cast<int32_t>(T),
                   static_cast<int32_t>(pairs), rope.attention_factor);
  return angles;
}

Tensor RopeAppend(Recording& recording, const Tensor& qkv, const HeadShape& shape,
                  const Tensor& angles, const RopeOptions& options, const StepBuffer& step,
                  const CacheView& cache) {
  const int64_t T = qkv.dim(0), pairs = angles.dim(2);
  const int64_t columns = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  Require(qkv.dim(1) == columns && angles.dim(0) == T, Status::kInternal,
          "rope: qkv is [{}], angles are [{}], want [{}, {}] and [{}, 2, ...]",
          fmt::join(qkv.shape, ", "), fmt::join(angles.shape, ", "), T, columns, T);
  Require(2 * pairs <= shape.head_dim, Status::kInternal, "rope: {} frequencies for heads of {}",
          pairs, shape.head_dim);
  Require(static_cast<bool>(options.q_norm_weight) == static_cast<bool>(options.k_norm_weight),
          Status::kInternal, "rope: queries and keys are both normed or neither");
  CheckCache("rope", cache, T);
  const bool is_normed = static_cast<bool>(options.q_norm_weight);
  Tensor q = recording.Temp({T, shape.heads * PaddedHead(shape)});
  recording.Launch("rope_append", {"kv_cache", "rope"}, Defines(shape, cache.type),
                   T * (shape.heads + shape.kv_heads),
                   RopeWork(shape, T, pairs, is_normed, cache.type), q.buffer, cache.keys,
                   cache.values, qkv.buffer, angles.buffer, options.q_norm_weight.buffer,
                   options.k_norm_weight.buffer, step.buffer(), static_cast<int32_t>(T),
                   static_cast<int32_t>(shape.heads), static_cast<int32_t>(shape.kv_heads),
                   static_cast<int32_t>(pairs), static_cast<int32_t>(cache.capacity), options.eps,
                   static_cast<int32_t>(is_normed));
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
  const auto work = [shape, T, window = cache.window, type = cache.type](int64_t position) {
    return AttendWork(shape, T, window, type, position);
  };
  if (T == 1 && recording.family() == KernelFamily::kCpu) {
    AttendByBlocks(recording, queries, shape, options, step, cache, defines, work, o);
    return o;
  }
  const int64_t tiles = (T + kQueryTile - 1) / kQueryTile;
  recording.Launch("attend", {"kv_cache", "attention"}, defines, tiles * shape.heads, work,
                   o.buffer, queries.buffer, cache.keys, cache.values, step.buffer(),
                   static_cast<int32_t>(T), static_cast<int32_t>(shape.heads),
                   static_cast<int32_t>(shape.kv_heads), static_cast<int32_t>(cache.capacity),
                   static_cast<int32_t>(cache.window), options.scale);
  return o;
}

}  // namespace inference
