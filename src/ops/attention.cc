#include "ops/attention.h"

#include <algorithm>
#include <array>
#include <optional>

#include "util/checked.h"
#include "util/error.h"

namespace inference {

namespace {

const std::vector<std::string> kGroupFiles = {"step", "kv_cache", "attention_group"};

int64_t PaddedHead(const HeadShape& shape) { return (shape.head_dim + 15) / 16 * 16; }

// What an element type is called in kernels and in profiles.
struct CacheType {
  DType type;
  std::string_view define, note;
};
constexpr std::array kCacheTypes = {CacheType{DType::kF32, "", ""},
                                    CacheType{DType::kF16, " -D KV_F16", ", kv f16"},
                                    CacheType{DType::kQ8_0, " -D KV_Q8", ", kv q8"}};

const CacheType& Named(DType type) {
  const auto* found = std::ranges::find(kCacheTypes, type, &CacheType::type);
  Require(found != kCacheTypes.end(), Status::kInternal, "cache of {}, want F32, F16 or Q8_0",
          InfoOf(type).name);
  return *found;
}

std::string Defines(const HeadShape& shape, DType type) {
  return fmt::format("-D HEAD_DIM={} -D N_MAX={}{}", shape.head_dim, kTileTokens,
                     Named(type).define);
}

void CheckCache(const char* op, const CacheView& cache) {
  Require(static_cast<bool>(cache.keys) && static_cast<bool>(cache.values), Status::kInternal,
          "{}: the cache has no pages", op);
}

uint64_t FloatBytes(int64_t values) { return static_cast<uint64_t>(values) * sizeof(float); }

// Of the keys and values of `positions`.
uint64_t CachedBytes(const HeadShape& shape, DType type, int64_t positions) {
  return 2 * CacheBytes(positions, shape.kv_heads, shape.head_dim, type);
}

std::string NameOf(const HeadShape& shape, DType type) {
  return fmt::format("{}/{} heads of {}{}", shape.heads, shape.kv_heads, shape.head_dim,
                     Named(type).note);
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

// What rows attend to depends on where they stand, which recordings do not know: a profile counts
// all rows as if they stood together, their first token at `position`, and reads what they see
// once.
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

// Of `rows` tokens at `position`: the results of each block.
Work MergeWork(const HeadShape& shape, int64_t rows, int64_t window, int64_t position) {
  const int64_t oldest = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  const int64_t results =
      rows * (position / kCacheBlock - oldest / kCacheBlock + 1) * shape.heads * PaddedHead(shape);
  return {.what = fmt::format("{} heads of {}", shape.heads, shape.head_dim),
          .read_bytes = FloatBytes(results),
          .written_bytes = FloatBytes(rows * shape.heads * shape.head_dim),
          .flops = static_cast<uint64_t>(3 * results)};
}

// What the ways to attend have in common.
struct Attention {
  Recording& recording;
  const Tensor& queries;
  const HeadShape& shape;
  float scale;
  const Step& step;
  const CacheView& cache;
  const std::string& defines;
  const Tensor& o;

  int32_t T() const { return static_cast<int32_t>(step.shape.tokens); }
  int32_t singles() const { return static_cast<int32_t>(step.shape.singles); }
  int32_t tiles() const { return static_cast<int32_t>(step.shape.tiles); }
  int32_t H() const { return static_cast<int32_t>(shape.heads); }
  int32_t K() const { return static_cast<int32_t>(shape.kv_heads); }
  int32_t window() const { return static_cast<int32_t>(cache.window); }
  // Of 64 positions, that a token sees at most: a window begins and ends anywhere.
  int64_t most_blocks() const {
    const int64_t in_window = cache.window > 0 ? cache.window / kCacheBlock + 2 : step.shape.blocks;
    return std::min(in_window, step.shape.blocks);
  }
  LaunchWork work(int64_t tokens) const {
    return [shape = shape, tokens, window = cache.window, type = cache.type](int64_t position) {
      return AttendWork(shape, tokens, window, type, position);
    };
  }
  LaunchWork merge_work() const {
    return [shape = shape, rows = step.shape.singles, window = cache.window](int64_t position) {
      return MergeWork(shape, rows, window, position);
    };
  }
};

// Rows of one token on a CPU device: blocks of positions by themselves, then the blocks of each
// head.
void AttendByBlocks(const Attention& a) {
  const int64_t padded = PaddedHead(a.shape), gqa = a.shape.heads / a.shape.kv_heads;
  const int64_t singles = a.step.shape.singles;
  const Tensor results = a.recording.Temp({singles, a.shape.heads, a.most_blocks(), padded + 16});
  const std::string all = fmt::format("{} -D GQA={}", a.defines, gqa);
  const std::vector<std::string> files = {"step", "kv_cache", "attention", "attention_decode"};
  const auto most_blocks = static_cast<int32_t>(a.most_blocks());
  a.recording.Launch("attend_blocks", files, all, singles * a.shape.kv_heads * a.most_blocks(),
                     a.work(singles), results.buffer, a.queries.buffer, a.cache.keys,
                     a.cache.values, a.step.buffer, a.T(), a.singles(), a.K(), a.cache.group,
                     a.window(), most_blocks, a.scale, 1.0f);
  a.recording.Launch("attend_merge", files, all, singles * a.shape.heads, a.merge_work(),
                     a.o.buffer, results.buffer, a.step.buffer, a.T(), a.singles(), a.H(),
                     a.window(), most_blocks);
}

// Rows of many tokens on a CPU device.
void AttendByTiles(const Attention& a) {
  a.recording.Launch("attend", {"step", "kv_cache", "attention"}, a.defines,
                     a.step.shape.tiles * a.shape.heads, a.work(a.T() - a.singles()), a.o.buffer,
                     a.queries.buffer, a.cache.keys, a.cache.values, a.step.buffer, a.T(),
                     a.tiles(), a.H(), a.K(), a.cache.group, a.window(), a.scale);
}

// The same two on other devices. Rows of one token: a work-group a head and a block, then one a
// head.
void AttendByBlockGroups(const Attention& a) {
  const std::string defines = a.defines + " -D QUERIES=1";
  const auto most_blocks = static_cast<int32_t>(a.most_blocks());
  const int64_t heads = a.step.shape.singles * a.shape.heads;
  const Tensor parts = a.recording.Temp({heads, a.most_blocks(), PaddedHead(a.shape) + 2});
  a.recording.LaunchGroups("attend_block_group", kGroupFiles, defines, a.most_blocks() * heads,
                           kCacheBlock, a.work(a.step.shape.singles), parts.buffer,
                           a.queries.buffer, a.cache.keys, a.cache.values, a.step.buffer, a.T(),
                           most_blocks, a.H(), a.K(), a.cache.group, a.window(), a.scale);
  a.recording.LaunchGroups("attend_merge_group", kGroupFiles, defines, heads, kCacheBlock,
                           a.merge_work(), a.o.buffer, parts.buffer, a.step.buffer, a.T(),
                           most_blocks, a.H(), a.window());
}

// Rows of many tokens: as many share a work-group as its local memory holds.
void AttendByTileGroups(const Attention& a) {
  const auto floats = static_cast<uint64_t>(PaddedHead(a.shape) + 2 * kCacheBlock);  // of a token
  const uint64_t fits = a.recording.device().info().local_memory_bytes / (floats * sizeof(float));
  const int64_t queries = fits >= static_cast<uint64_t>(kTileTokens) ? kTileTokens : 1;
  const int64_t split = kTileTokens / queries;
  a.recording.LaunchGroups(
      "attend_tile_group", kGroupFiles, a.defines + fmt::format(" -D QUERIES={}", queries),
      a.step.shape.tiles * split * a.shape.heads, kCacheBlock, a.work(a.T() - a.singles()),
      a.o.buffer, a.queries.buffer, a.cache.keys, a.cache.values, a.step.buffer, a.T(),
      static_cast<int32_t>(split), a.H(), a.K(), a.cache.group, a.window(), a.scale);
}

}  // namespace

uint64_t CacheBytes(int64_t positions, int64_t kv_heads, int64_t head_dim, DType type) {
  const auto padded = static_cast<uint64_t>(PaddedHead({.head_dim = head_dim}));
  const DTypeInfo& info = InfoOf(type);
  std::optional<uint64_t> bytes = CheckedMul(padded, info.block_bytes);  // of a head
  if (type == DType::kQ8_0) {
    constexpr uint64_t kScaleBytes = 2;
    bytes = padded + (padded + info.block_elements - 1) / info.block_elements * kScaleBytes;
  }
  for (const int64_t count : {kv_heads, positions}) {
    if (bytes) bytes = CheckedMul(*bytes, static_cast<uint64_t>(count));
  }
  Require(bytes.has_value(), Status::kLimit, "KV cache: {} positions of {} heads of {}: overflows",
          positions, kv_heads, head_dim);
  return *bytes;
}

Tensor RopeAngles(Recording& recording, const RopeTable& rope, const Step& step) {
  const int64_t T = step.shape.tokens, pairs = rope.inv_freq.dim(0);
  Tensor angles = recording.Temp({T, 2, pairs});
  recording.Launch("rope_angles", {"step", "rope_angles"}, "", T,
                   Work{.what = fmt::format("{} frequencies", pairs),
                        .read_bytes = FloatBytes(pairs),
                        .written_bytes = FloatBytes(2 * pairs * T),
                        .flops = static_cast<uint64_t>(pairs * T)},
                   angles.buffer, rope.inv_freq.buffer, step.buffer, static_cast<int32_t>(T),
                   static_cast<int32_t>(pairs), rope.attention_factor);
  return angles;
}

Tensor RopeAppend(Recording& recording, const Tensor& qkv, const HeadShape& shape,
                  const Tensor& angles, const RopeOptions& options, const Step& step,
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
  CheckCache("rope", cache);
  const bool is_normed = static_cast<bool>(options.q_norm_weight);
  Tensor q = recording.Temp({T, shape.heads * PaddedHead(shape)});
  recording.Launch(
      "rope_append", {"step", "kv_cache", "rope"}, Defines(shape, cache.type),
      T * (shape.heads + shape.kv_heads), RopeWork(shape, T, pairs, is_normed, cache.type),
      q.buffer, cache.keys, cache.values, qkv.buffer, angles.buffer, options.q_norm_weight.buffer,
      options.k_norm_weight.buffer, step.buffer, static_cast<int32_t>(T),
      static_cast<int32_t>(shape.heads), static_cast<int32_t>(shape.kv_heads),
      static_cast<int32_t>(pairs), cache.group, options.eps, static_cast<int32_t>(is_normed));
  return q;
}

Tensor Attend(Recording& recording, const Tensor& queries, const HeadShape& shape,
              const AttendOptions& options, const Step& step, const CacheView& cache) {
  const int64_t T = step.shape.tokens;
  Require(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, Status::kInternal,
          "attend: {} heads over {} key-value heads", shape.heads, shape.kv_heads);
  Require(queries.shape == Shape{T, shape.heads * PaddedHead(shape)}, Status::kInternal,
          "attend: queries are [{}], want [{}, {}]", fmt::join(queries.shape, ", "), T,
          shape.heads * PaddedHead(shape));
  CheckCache("attend", cache);
  Tensor o = recording.Temp({T, shape.heads * shape.head_dim});
  std::string defines = Defines(shape, cache.type);
  if (options.soft_cap > 0.0f) defines += fmt::format(" -D SOFT_CAP={:.9e}f", options.soft_cap);
  const Attention a{recording, queries, shape, options.scale, step, cache, defines, o};
  const bool cpu = recording.family() == KernelFamily::kCpu;
  if (step.shape.singles > 0) cpu ? AttendByBlocks(a) : AttendByBlockGroups(a);
  if (step.shape.tiles > 0) cpu ? AttendByTiles(a) : AttendByTileGroups(a);
  return o;
}

}  // namespace inference
