#include "op_cases.h"

#include <numeric>
#include <random>

#include "ops/attention.h"
#include "ops/divergence.h"
#include "ops/embedding.h"
#include "ops/lora.h"
#include "ops/matmul.h"
#include "ops/sample.h"

namespace inference {

namespace {

// The memory of a case.
struct Memory {
  explicit Memory(Device& of) : device(of) {}

  Buffer Bytes(uint64_t bytes) {
    buffers.push_back(device.Allocate(bytes));
    device.FillZero(buffers.back(), 0, bytes);
    return buffers.back();
  }
  Tensor Zeros(const Shape& shape) {
    uint64_t bytes = sizeof(float);
    for (const int64_t extent : shape) bytes *= static_cast<uint64_t>(extent);
    return {Bytes(bytes), shape, nullptr};
  }
  PackedMatrix Weight(const WeightFormat& format, int64_t rows, int64_t cols) {
    return {format, rows, cols, Bytes(PackedBytes(format, rows, cols)), {}};
  }
  // One row of T tokens, whose cache is pages 0, 1, ...
  Step MakeStep(int64_t position, int64_t T) {
    const std::vector<int32_t> ids(static_cast<size_t>(T));
    std::vector<int32_t> pages(static_cast<size_t>((position + T - 1) / kCacheBlock + 1));
    std::iota(pages.begin(), pages.end(), 0);
    const StepRow row{position, ids, 0, {{0, pages}}};
    steps.push_back(std::make_unique<StepBuffer>(device));
    steps.back()->Reserve(device, {&row, 1});
    steps.back()->Set(device, {&row, 1});
    return steps.back()->step(ShapeOf({&row, 1}));
  }

  Device& device;
  std::vector<Buffer> buffers;
  std::vector<std::unique_ptr<StepBuffer>> steps;
  std::vector<std::unique_ptr<Sampler>> samplers;
};

OpCase Case(std::string name, std::string note,
            const std::function<void(Recording&, Memory&)>& record, int64_t position = 0) {
  return {std::move(name), std::move(note),
          [record](Recording& recording) {
            const auto memory = std::make_shared<Memory>(recording.device());
            record(recording, *memory);
            return std::shared_ptr<void>(memory);
          },
          position};
}

// y = x W^T of T rows.
OpCase Product(std::string name, const WeightFormat& format, int64_t T, int64_t cols,
               int64_t rows) {
  return Case(std::move(name), NameOf(format), [=](Recording& recording, Memory& memory) {
    const PreparedInput x = PrepareInput(recording, {.x = memory.Zeros({T, cols})});
    Project(recording, x, memory.Weight(format, rows, cols), memory.Zeros({T, rows}));
  });
}

// A product of so few columns that what surrounds it takes the time: a million outputs.
OpCase Surrounded(std::string name, std::string note, Epilogue epilogue) {
  constexpr int64_t kTokens = 512, kOutputs = 2048, kColumns = 32;
  return Case(std::move(name), std::move(note), [=](Recording& recording, Memory& memory) {
    const bool gated = epilogue == Epilogue::kSiluGate;
    const PreparedInput x = PrepareInput(recording, {.x = memory.Zeros({kTokens, kColumns})});
    ProjectOptions options{.epilogue = epilogue};
    if (!gated) options.other = memory.Zeros({kTokens, kOutputs});
    Project(recording, x, memory.Weight(DType::kF32, (gated ? 2 : 1) * kOutputs, kColumns),
            memory.Zeros({kTokens, kOutputs}), options);
  });
}

OpCase Norm(std::string name, int64_t T) {
  constexpr int64_t kColumns = 2048;
  return Case(
      std::move(name), T == 1 ? "with a product of 16 rows" : "into tiles for products",
      [=](Recording& recording, Memory& memory) {
        const PreparedInput a = PrepareInput(recording, {.x = memory.Zeros({T, kColumns}),
                                                         .norm_weight = memory.Zeros({kColumns}),
                                                         .eps = 1e-5f});
        if (T > 1) return;
        Project(recording, a, memory.Weight(DType::kF32, 16, kColumns), memory.Zeros({1, 16}));
      });
}

OpCase Rope(std::string name, int64_t T) {
  return Case(std::move(name), "8 key-value heads, with the append to the cache",
              [=](Recording& recording, Memory& memory) {
                constexpr HeadShape kHeads{32, 8, 128};
                const int64_t capacity = (T + kCacheBlock - 1) / kCacheBlock * kCacheBlock;
                const uint64_t bytes =
                    CacheBytes(capacity, kHeads.kv_heads, kHeads.head_dim, DType::kF32);
                const CacheView cache{memory.Bytes(bytes), memory.Bytes(bytes)};
                const Tensor qkv =
                    memory.Zeros({T, (kHeads.heads + 2 * kHeads.kv_heads) * kHeads.head_dim});
                RopeAppend(recording, qkv, kHeads, memory.Zeros({T, 2, 64}), {},
                           memory.MakeStep(0, T), cache);
              });
}

// T queries, the last of them at position `length` - 1.
OpCase Attention(std::string name, int64_t heads, int64_t kv_heads, int64_t T, int64_t length) {
  const int64_t position = length - T;
  return Case(
      std::move(name), "heads of 128, causal",
      [=](Recording& recording, Memory& memory) {
        const HeadShape shape{heads, kv_heads, 128};
        const int64_t capacity = (length + kCacheBlock - 1) / kCacheBlock * kCacheBlock;
        const uint64_t bytes = CacheBytes(capacity, kv_heads, shape.head_dim, DType::kF32);
        const CacheView cache{memory.Bytes(bytes), memory.Bytes(bytes)};
        Attend(recording, memory.Zeros({T, heads * 128}), shape, {.scale = 0.088f},
               memory.MakeStep(position, T), cache);
      },
      position);
}

OpCase Sample(std::string name, std::string note, int64_t rows, int64_t vocab_size,
              const SampleOptions& options) {
  return Case(std::move(name), std::move(note), [=](Recording& recording, Memory& memory) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal(0.0f, 3.0f);
    std::vector<float> values(static_cast<size_t>(rows * vocab_size));
    for (float& value : values) value = normal(generator);
    const Tensor logits = memory.Zeros({rows, vocab_size});
    recording.device().Write(logits.buffer, 0, std::as_bytes(std::span(values)));
    std::vector<int32_t> history(256);  // for penalties
    for (size_t i = 0; i < history.size(); ++i) history[i] = static_cast<int32_t>(i * 17);
    memory.samplers.push_back(std::make_unique<Sampler>(recording.device(), vocab_size, rows));
    Sampler& sampler = *memory.samplers.back();
    const std::vector<SampleRow> wanted(static_cast<size_t>(rows), {&options, 0, history});
    (void)sampler.Set(recording.device(), wanted);  // nothing is recorded yet that may move
    sampler.Record(recording, logits);
  });
}

// KL and JS of pairs of rows, with the tokens that moved most.
OpCase Divergence(std::string name, int64_t rows, int64_t vocab_size) {
  return Case(std::move(name), "pairs of rows, 8 tokens that moved",
              [=](Recording& recording, Memory& memory) {
                std::mt19937 generator(1);
                std::normal_distribution<float> normal(0.0f, 3.0f);
                std::vector<float> values(static_cast<size_t>(2 * rows * vocab_size));
                for (float& value : values) value = normal(generator);
                const Tensor logits = memory.Zeros({2 * rows, vocab_size});
                recording.device().Write(logits.buffer, 0, std::as_bytes(std::span(values)));
                DivergenceRows(recording, {logits, logits, 0, rows}, rows,
                               memory.Bytes(static_cast<uint64_t>(rows) * sizeof(int32_t)), 0, 8,
                               memory.Zeros({rows, DivergenceFloats(8)}));
              });
}

// One adapter on q, k and v, for every token.
OpCase Lora(std::string name, int64_t T, int64_t rank) {
  return Case(std::move(name), "q, k and v of 2048, 512 and 512 rows, 2048 columns",
              [=](Recording& recording, Memory& memory) {
                constexpr int64_t kColumns = 2048;
                LoraGroup group{.in = kColumns, .ranks = 3 * rank};
                group.parts = {{rank, 2048, 0}, {rank, 512, 2048}, {rank, 512, 2560}};
                group.A = memory.Bytes(static_cast<uint64_t>(3 * rank * kColumns) * sizeof(float));
                group.B = memory.Bytes(static_cast<uint64_t>(3072 * rank) * sizeof(float));
                const LoraCoefs coefs{memory.Bytes(static_cast<uint64_t>(T) * sizeof(float))};
                const std::vector<float> ones(static_cast<size_t>(T), 1.0f);
                recording.device().Write(coefs.buffer, 0, std::as_bytes(std::span(ones)));
                const PreparedInput x =
                    PrepareInput(recording, {.x = memory.Zeros({T, kColumns}),
                                             .norm_weight = memory.Zeros({kColumns}),
                                             .eps = 1e-5f});
                LoraUp(recording, LoraDown(recording, x, group, coefs), group,
                       memory.Zeros({T, 3072}), coefs);
              });
}

OpCase Embedding() {
  return Case("Embedding/32of32000x2048", "F32", [](Recording& recording, Memory& memory) {
    Embed(recording, memory.Weight(DType::kF32, 32000, 2048), memory.MakeStep(0, 32), 1.0f);
  });
}

OpCase Add() {
  return Case("Add/1M", "residual sum, between two norms",
              [](Recording& recording, Memory& memory) {
                const Tensor x = memory.Zeros({512, 2048}), norm = memory.Zeros({2048});
                PrepareInput(recording, {.x = x,
                                         .norm_weight = norm,
                                         .delta = memory.Zeros({512, 2048}),
                                         .delta_norm_weight = norm,
                                         .eps = 1e-5f});
              });
}

OpCase Sum() {
  return Case("Sum/1M", "the kernel that only reads", [](Recording& recording, Memory& memory) {
    constexpr uint32_t kVectors = (1u << 20) / 16;
    const auto items = static_cast<uint32_t>(recording.PartsFor(kVectors));
    recording.Launch("read_bandwidth", {"read_bandwidth"}, "", kVectors,
                     Work{.read_bytes = kVectors * 64, .flops = kVectors * 16},
                     memory.Bytes(items * 64), memory.Bytes(kVectors * 64), uint32_t{kVectors},
                     (kVectors + items - 1) / items);
  });
}

}  // namespace

std::vector<OpCase> ProductCases() {
  std::vector<WeightFormat> formats;
  for (int type = 0; IsPackable(static_cast<DType>(type)); ++type) {
    formats.emplace_back(static_cast<DType>(type));
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    formats.push_back(WeightFormat::Affine(bits, 64, DType::kBF16));
  }
  constexpr int64_t kColumns = 2048;
  std::vector<OpCase> out;
  for (const WeightFormat& format : formats) {
    const std::string type =
        format.is_affine() ? fmt::format("Affine{}", format.bits) : NameOf(format);
    // 400 MB of weights: far larger than the caches.
    const int64_t rows = static_cast<int64_t>(400'000'000 / PackedBytes(format, 64, kColumns)) * 64;
    out.push_back(Product("Matvec/" + type, format, 1, kColumns, rows));
    // A quarter of them: what a model of a hundred million parameters reads a step.
    for (const int64_t T : {2, 4, 8, 16}) {
      out.push_back(Product(fmt::format("Matmul{}/{}", T, type), format, T, kColumns, rows / 4));
    }
    out.push_back(Product("Matmul252/" + type, format, 252, kColumns, 2048));
  }
  return out;
}

std::vector<OpCase> ModelPartCases() {
  std::vector<OpCase> out;
  for (const int64_t n : {128, 512, 1024, 2048, 4096}) {
    out.push_back(Product(fmt::format("MatMul/{}", n), DType::kF32, n, n, n));
  }
  out.push_back(Product("MatMul/1x2048x32000", DType::kF32, 1, 2048, 32000));
  const char* draw = "softmax and draw of the sampler";
  out.push_back(Sample("Softmax/1x1024", draw, 1, 1024, {.temperature = 1.0f}));
  out.push_back(Sample("Softmax/32x32000", draw, 32, 32000, {.temperature = 1.0f}));
  out.push_back(Sample("Softmax/1x128000", draw, 1, 128000, {.temperature = 1.0f}));
  out.push_back(Add());
  out.push_back(
      Surrounded("Mul/1M", "silu of a buffer, times a product of 32 columns", Epilogue::kMulSilu));
  out.push_back(Surrounded("SiLU/1M", "gate and up, a product of 32 columns", Epilogue::kSiluGate));
  out.push_back(Norm("RMSNorm/1x2048", 1));
  out.push_back(Norm("RMSNorm/32x2048", 32));
  out.push_back({"LayerNorm/32x2048", "no architecture that runs here has one", nullptr});
  out.push_back(Rope("RoPE/1x1x32x128", 1));
  out.push_back(Rope("RoPE/1x32x512x128", 512));
  out.push_back(Attention("SDPA/1h32", 1, 1, 32, 32));
  out.push_back(Attention("SDPA/32h128", 32, 32, 128, 128));
  out.push_back(Attention("SDPA/32h512", 32, 32, 512, 512));
  out.push_back(Product("Linear/1x2048x2048", DType::kF32, 1, 2048, 2048));
  out.push_back(Product("Linear/32x2048x8192", DType::kF32, 32, 2048, 8192));
  out.push_back(Lora("LoRA/1x2048x3072r16", 1, 16));
  out.push_back(Lora("LoRA/512x2048x3072r16", 512, 16));
  out.push_back(Divergence("Divergence/32x32000", 32, 32000));
  out.push_back(Embedding());
  out.push_back(Sum());
  out.push_back(Sample("Argmax/1x32000", "greedy sampler", 1, 32000, {}));
  out.push_back(Sample("Sampler/Greedy", "32000 logits", 1, 32000, {.repeat_penalty = 1.1f}));
  out.push_back(
      Sample("Sampler/TopK50", "32000 logits", 1, 32000, {.temperature = 1.0f, .top_k = 50}));
  out.push_back(
      Sample("Sampler/TopP0.9", "32000 logits", 1, 32000, {.temperature = 1.0f, .top_p = 0.9f}));
  out.push_back(Sample("Sampler/TopP0.9MinP0.1TopK50", "32000 logits", 1, 32000,
                       {.temperature = 1.0f, .top_k = 50, .top_p = 0.9f, .min_p = 0.1f}));
  // Decode over a long cache, which the list above leaves out.
  out.push_back(Attention("SDPA/32h8kv1of4096", 32, 8, 1, 4096));
  return out;
}

}  // namespace inference
