// Rotary embedding into a cache and attention over it as a problem with seeds, the way to run it in
// chunks, and the definition of its result in double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "ops/attention.h"
#include "support/test_step.h"
#include "util/float16.h"

namespace inference {

struct AttentionCase {
  int64_t heads, kv_heads, head_dim, rotary, length, window;
  bool normed;
  float soft_cap = 0.0f;
};

inline std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  return out << "H" << c.heads << " K" << c.kv_heads << " E" << c.head_dim << " R" << c.rotary
             << " S" << c.length << " W" << c.window << (c.normed ? " normed" : "")
             << (c.soft_cap > 0 ? " capped" : "");
}

inline constexpr float kEps = 1e-5f;
inline constexpr float kScale = 0.3f;

struct Problem {
  AttentionCase c;
  std::vector<float> qkv;  // [S, (H + 2K) * E]
  std::vector<float> inv_freq, q_norm, k_norm;
};

inline Problem MakeProblem(const AttentionCase& c) {
  Problem p{c, {}, {}, {}, {}};
  p.qkv = RandomNormal(static_cast<size_t>(c.length * (c.heads + 2 * c.kv_heads) * c.head_dim), 1);
  for (int64_t i = 0; i < c.rotary / 2; ++i) {
    p.inv_freq.push_back(static_cast<float>(
        std::pow(1e4, -2.0 * static_cast<double>(i) / static_cast<double>(c.rotary))));
  }
  if (c.normed) {
    p.q_norm = RandomNormal(static_cast<size_t>(c.head_dim), 2);
    p.k_norm = RandomNormal(static_cast<size_t>(c.head_dim), 3);
  }
  return p;
}

struct Attended {
  std::vector<float> out;               // [S, H * E]
  std::vector<std::byte> keys, values;  // the cache afterwards, the blocks of the sequence in order
};

inline std::vector<std::byte> DownloadBytes(const Buffer& buffer) {
  std::vector<std::byte> bytes(buffer.size());
  TestDevice()->Read(buffer, 0, bytes);
  return bytes;
}

inline int64_t BlocksOf(const Problem& p) { return (p.c.length + kCacheBlock - 1) / kCacheBlock; }

// One layer and sequences over it, whose pages lie apart and out of order.
class Layer {
 public:
  Layer(const AttentionCase& c, int64_t blocks, KernelFamily family, DType type)
      : c_(c),
        family_(family),
        pages_(blocks),
        bytes_(CacheBytes(2 * blocks * kCacheBlock, c.kv_heads, c.head_dim, type)),
        cache_{TestDevice()->Allocate(bytes_), TestDevice()->Allocate(bytes_), c.window, type},
        buffer_(*TestDevice()) {
    // What was never written must not matter, but for the padding of heads: zeros. All bits set are
    // a NaN of either type.
    const std::vector<std::byte> garbage(bytes_, std::byte(c.head_dim % 16 == 0 ? 0xFF : 0));
    TestDevice()->Write(cache_.keys, 0, garbage);
    TestDevice()->Write(cache_.values, 0, garbage);
  }

  // Positions [at, at + T) of a problem, whose blocks are `first_block` ... of the layer's.
  struct Piece {
    const Problem* problem;
    int64_t at, T, first_block;
  };

  // A step of some pieces: what each attends to.
  std::vector<std::vector<float>> Run(const std::vector<Piece>& pieces) {
    const int64_t columns = (c_.heads + 2 * c_.kv_heads) * c_.head_dim;
    std::vector<std::vector<int32_t>> tables, ids;
    std::vector<float> qkv;
    for (const Piece& piece : pieces) {
      tables.emplace_back();
      ids.emplace_back(static_cast<size_t>(piece.T));
      for (int64_t b = FirstBlock(piece); b <= (piece.at + piece.T - 1) / kCacheBlock; ++b) {
        tables.back().push_back(PageOf(piece.first_block + b));
      }
      const float* from = piece.problem->qkv.data() + piece.at * columns;
      qkv.insert(qkv.end(), from, from + piece.T * columns);
    }
    std::vector<StepRow> rows;
    for (size_t i = 0; i < pieces.size(); ++i) {
      rows.push_back({pieces[i].at, ids[i], 0, {{FirstBlock(pieces[i]), tables[i]}}});
    }
    const Problem& p = *pieces[0].problem;
    RopeOptions options;
    options.eps = kEps;
    if (c_.normed) {
      options.q_norm_weight = Upload({c_.head_dim}, p.q_norm);
      options.k_norm_weight = Upload({c_.head_dim}, p.k_norm);
    }
    const HeadShape shape{c_.heads, c_.kv_heads, c_.head_dim};
    const RopeTable rope{Upload({c_.rotary / 2}, p.inv_freq), 1.0f};
    const Step step = SetStep(buffer_, rows);
    const int64_t T = step.shape.tokens;
    Recording recording(TestDevice(), family_);
    const Tensor q = RopeAppend(recording, Upload({T, columns}, qkv), shape,
                                RopeAngles(recording, rope, step), options, step, cache_);
    const Tensor o = Attend(recording, q, shape, {kScale, c_.soft_cap}, step, cache_);
    recording.Run();
    const auto all = Download(o.buffer, static_cast<size_t>(T * c_.heads * c_.head_dim));
    std::vector<std::vector<float>> out;
    auto from = all.begin();
    for (const Piece& piece : pieces) {
      const auto end = from + piece.T * c_.heads * c_.head_dim;
      out.emplace_back(from, end);
      from = end;
    }
    return out;
  }

  // The first `blocks` blocks of keys or of values.
  std::vector<std::byte> Blocks(const Buffer& buffer, int64_t blocks) const {
    const std::vector<std::byte> all = DownloadBytes(buffer);
    const int64_t page = static_cast<int64_t>(bytes_) / (2 * pages_);
    std::vector<std::byte> out;
    for (int64_t b = 0; b < blocks; ++b) {
      const auto from = all.begin() + PageOf(b) * page;
      out.insert(out.end(), from, from + page);
    }
    return out;
  }
  const CacheView& cache() const { return cache_; }

 private:
  int32_t PageOf(int64_t block) const { return static_cast<int32_t>(2 * (pages_ - 1 - block) + 1); }
  int64_t FirstBlock(const Piece& piece) const {  // what its window has left is not in the table
    return c_.window > 0 ? std::max<int64_t>(0, piece.at - c_.window + 1) / kCacheBlock : 0;
  }

  const AttentionCase c_;
  const KernelFamily family_;
  const int64_t pages_;
  const uint64_t bytes_;
  const CacheView cache_;
  StepBuffer buffer_;
};

// Runs the sequence in chunks.
inline Attended RunWithCache(const Problem& p, int64_t chunk, KernelFamily family, DType type) {
  Attended result;
  TestDevice()->Run([&] {
    Layer layer(p.c, BlocksOf(p), family, type);
    for (int64_t at = 0; at < p.c.length; at += chunk) {
      const auto out = layer.Run({{&p, at, std::min(chunk, p.c.length - at), 0}});
      result.out.insert(result.out.end(), out[0].begin(), out[0].end());
    }
    result.keys = layer.Blocks(layer.cache().keys, BlocksOf(p));
    result.values = layer.Blocks(layer.cache().values, BlocksOf(p));
  });
  return result;
}

inline std::vector<float> RunInChunks(const Problem& p, int64_t chunk, KernelFamily family,
                                      DType type = DType::kF32) {
  return RunWithCache(p, chunk, family, type).out;
}

// Keys and values of a cache as they are stored (cl/kv_cache.cl).
class Stored {
 public:
  Stored(const Attended& from, const AttentionCase& c, DType type)
      : from_(from),
        type_(type),
        heads_(c.kv_heads),
        padded_((c.head_dim + 15) / 16 * 16),
        head_bytes_(static_cast<int64_t>(CacheBytes(kCacheBlock, 1, c.head_dim, type))) {}

  float Key(int64_t kv, int64_t t, int64_t e) const {
    const int64_t slot = t % kCacheBlock;
    return At(from_.keys, kv, t, e, (slot / 16 * padded_ + e) * 16 + t % 16);
  }
  float Value(int64_t kv, int64_t t, int64_t e) const {
    return At(from_.values, kv, t, e, t % kCacheBlock * padded_ + e);
  }
  // Of kQ8_0: what a key's, or a value's, byte is multiplied by.
  float KeyScale(int64_t kv, int64_t t, int64_t e) const { return Scale(from_.keys, kv, t, e); }
  float ValueScale(int64_t kv, int64_t t, int64_t e) const { return Scale(from_.values, kv, t, e); }

 private:
  template <typename T>
  T Read(const std::vector<std::byte>& bytes, int64_t kv, int64_t t, int64_t offset) const {
    T value;
    const int64_t head = (t / kCacheBlock * heads_ + kv) * head_bytes_;
    std::memcpy(&value, bytes.data() + head + offset, sizeof(T));
    return value;
  }
  float Scale(const std::vector<std::byte>& bytes, int64_t kv, int64_t t, int64_t e) const {
    const int64_t scale = e / 32 * kCacheBlock + t % kCacheBlock;
    return HalfToFloat(Read<uint16_t>(bytes, kv, t, kCacheBlock * padded_ + 2 * scale));
  }
  float At(const std::vector<std::byte>& bytes, int64_t kv, int64_t t, int64_t e,
           int64_t element) const {
    if (type_ == DType::kF32) return Read<float>(bytes, kv, t, 4 * element);
    if (type_ == DType::kF16) return HalfToFloat(Read<uint16_t>(bytes, kv, t, 2 * element));
    return static_cast<float>(Read<int8_t>(bytes, kv, t, element)) * Scale(bytes, kv, t, e);
  }

  const Attended& from_;
  const DType type_;
  const int64_t heads_, padded_, head_bytes_;
};

// The definition: norm, rotate, softmax over the visible positions, in double. Keys and values are
// those of `rounded` where it is given.
inline std::vector<double> Reference(const Problem& p, const Stored* rounded = nullptr) {
  const AttentionCase& c = p.c;
  const int64_t columns = (c.heads + 2 * c.kv_heads) * c.head_dim;
  const auto head = [&](int64_t t, int64_t h, const std::vector<float>* norm, bool rotated) {
    const float* from = p.qkv.data() + t * columns + h * c.head_dim;
    std::vector<double> x(from, from + c.head_dim);
    if (norm != nullptr && !norm->empty()) {
      double squares = 0;
      for (const double v : x) squares += v * v;
      const double inv =
          1 / std::sqrt(squares / static_cast<double>(c.head_dim) + static_cast<double>(kEps));
      for (size_t i = 0; i < x.size(); ++i) x[i] *= inv * static_cast<double>((*norm)[i]);
    }
    for (int64_t i = 0; rotated && i < c.rotary / 2; ++i) {
      const double angle =
          static_cast<double>(t) * static_cast<double>(p.inv_freq[static_cast<size_t>(i)]);
      double &a = x[static_cast<size_t>(i)], &b = x[static_cast<size_t>(i + c.rotary / 2)];
      const double a0 = a, b0 = b;
      a = a0 * std::cos(angle) - b0 * std::sin(angle);
      b = b0 * std::cos(angle) + a0 * std::sin(angle);
    }
    return x;
  };
  std::vector<double> out;
  for (int64_t t = 0; t < c.length; ++t) {
    const int64_t first = c.window > 0 ? std::max<int64_t>(0, t - c.window + 1) : 0;
    for (int64_t h = 0; h < c.heads; ++h) {
      const int64_t kv = h / (c.heads / c.kv_heads);
      const auto q = head(t, h, &p.q_norm, true);
      std::vector<double> scores;
      for (int64_t s = first; s <= t; ++s) {
        auto k = head(s, c.heads + kv, &p.k_norm, true);
        for (size_t e = 0; rounded != nullptr && e < k.size(); ++e) {
          k[e] = static_cast<double>(rounded->Key(kv, s, static_cast<int64_t>(e)));
        }
        const double score =
            std::inner_product(q.begin(), q.end(), k.begin(), 0.0) * static_cast<double>(kScale);
        const auto cap = static_cast<double>(c.soft_cap);
        scores.push_back(cap > 0 ? cap * std::tanh(score / cap) : score);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& s : scores) total += s = std::exp(s - top);
      std::vector<double> o(static_cast<size_t>(c.head_dim));
      for (int64_t s = first; s <= t; ++s) {
        auto v = head(s, c.heads + c.kv_heads + kv, nullptr, false);
        for (size_t e = 0; rounded != nullptr && e < v.size(); ++e) {
          v[e] = static_cast<double>(rounded->Value(kv, s, static_cast<int64_t>(e)));
        }
        for (size_t e = 0; e < o.size(); ++e)
          o[e] += scores[static_cast<size_t>(s - first)] / total * v[e];
      }
      out.insert(out.end(), o.begin(), o.end());
    }
  }
  return out;
}

inline const AttentionCase kAttentionCases[] = {
    AttentionCase{1, 1, 16, 16, 1, 0, false},
    AttentionCase{4, 2, 32, 32, 65, 0, false},
    AttentionCase{9, 3, 64, 64, 150, 0, false},
    AttentionCase{4, 1, 256, 256, 70, 0, true},
    AttentionCase{2, 2, 20, 20, 67, 0, false},  // head_dim not a multiple of 16
    AttentionCase{3, 1, 48, 24, 33, 0, true},   // partial rotation
    AttentionCase{4, 1, 32, 32, 300, 12, true},
    AttentionCase{2, 1, 16, 16, 200, 1, false},  // sees only itself
    AttentionCase{2, 1, 80, 80, 200, 64, false},
    AttentionCase{2, 2, 16, 16, 200, 65, true},
    AttentionCase{4, 2, 24, 24, 90, 17, false, 2.0f}};

}  // namespace inference
