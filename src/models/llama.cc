// Llama (Touvron et al. 2023): pre-norm blocks of grouped-query attention and a gated MLP.
#include "models/llama.h"

#include <cmath>

#include "models/tensor_names.h"
#include "models/weight_loader.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "ops/embedding.h"

namespace inference {

namespace {

constexpr TensorNames::LayerName kLayerNames[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

struct Block {
  Tensor input_layernorm;  // [D]
  Attention attention;
  Tensor post_attention_layernorm;  // [D]
  GatedMlp mlp;
  float eps;

  // h = x + Attn(Norm(x));  y = h + Mlp(Norm(h))
  Tensor operator()(Recording& recording, const Tensor& x, const StepBuffer& step,
                    const CacheView& cache) const {
    const auto norm = [&](const Tensor& t, const Tensor& weight) {
      return PrepareInput(recording, {.x = t, .norm_weight = weight, .eps = eps});
    };
    const Tensor h = attention(recording, norm(x, input_layernorm), step, cache, x);
    return mlp(recording, norm(h, post_attention_layernorm), h);
  }
};

class Llama final : public CausalLm {
 public:
  Llama(const Checkpoint& checkpoint, const std::shared_ptr<Device>& device,
        const ModelLoadHooks& hooks);

  const ModelDims& dims() const override { return config_.dims; }
  const WeightStats& stats() const override { return stats_; }
  std::vector<LayerCacheSpec> cache_specs() const override {
    return std::vector<LayerCacheSpec>(
        blocks_.size(), {.kv_heads = dims().num_key_value_heads, .head_dim = dims().head_dim});
  }
  Tensor Forward(Recording& recording, const StepBuffer& step, const KvCache& cache, int64_t T,
                 LogitsOf which) const override;

 private:
  LlamaConfig config_;
  PackedMatrix embed_tokens_;  // [V, D]
  std::vector<Block> blocks_;
  Tensor norm_;           // [D]
  PackedMatrix lm_head_;  // [V, D]
  WeightStats stats_;
};

Tensor Llama::Forward(Recording& recording, const StepBuffer& step, const KvCache& cache, int64_t T,
                      LogitsOf which) const {
  Tensor x = Embed(recording, embed_tokens_, step, T, /*scale=*/1.0f);  // [T, D]
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](recording, x, step, cache.layer(i));
  const PreparedInput last =
      PrepareInput(recording, {.x = x,
                               .norm_weight = norm_,
                               .eps = blocks_[0].eps,
                               .first_row = which == LogitsOf::kLast ? T - 1 : 0});
  return Linear(recording, last, lm_head_);  // [1 or T, V]
}

// The frequencies, stretched by the config or by a table of divisors in the checkpoint.
std::vector<float> Frequencies(const LlamaConfig& config, const std::string& path,
                               WeightLoader& loader) {
  constexpr const char* kFactors = "rope_freqs.weight";  // GGUF
  const int64_t head_dim = config.dims.head_dim;
  std::vector<float> inv_freq = RopeFrequencies(head_dim, config.rope.theta, config.rope.scaling);
  if (!loader.Has(kFactors)) return inv_freq;
  const std::vector<float> factors = loader.HostVector(kFactors, head_dim / 2);
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    Require(std::isfinite(factors[i]) && factors[i] > 0.0f, Status::kFormat,
            "{}: tensor {}: value {} is {}, expected a positive number", path, kFactors, i,
            factors[i]);
    inv_freq[i] /= factors[i];
  }
  return inv_freq;
}

Llama::Llama(const Checkpoint& checkpoint, const std::shared_ptr<Device>& device,
             const ModelLoadHooks& hooks)
    : config_(ReadLlamaConfig(checkpoint)) {
  const ModelDims& d = config_.dims;
  const int64_t D = d.hidden_size, F = d.intermediate_size, E = d.head_dim;
  const int64_t HE = d.num_attention_heads * E, KE = d.num_key_value_heads * E;
  // llama.cpp's converter stores queries and keys for the rotation of neighbours.
  const int64_t interleaved = checkpoint.format == CheckpointFormat::kGguf ? E : 0;
  const TensorNames names(checkpoint, kLayerNames);
  WeightLoader loader(checkpoint, device, hooks);

  embed_tokens_ = loader.Embedding(names.embed_tokens(), d.vocab_size, D);
  const RopeTable rope{loader.Upload(Frequencies(config_, checkpoint.path, loader))};
  for (int64_t i = 0; i < d.num_layers; ++i) {
    const auto name = [&](std::string_view module) { return names.Layer(i, module); };
    Block block;
    block.eps = static_cast<float>(config_.rms_norm_eps);
    block.input_layernorm = loader.Vector(name("input_layernorm"), D);
    block.attention.qkv_proj = loader.Stack({{name("self_attn.q_proj"), HE, interleaved},
                                             {name("self_attn.k_proj"), KE, interleaved},
                                             {name("self_attn.v_proj"), KE}},
                                            D);
    block.attention.o_proj = loader.Matrix({name("self_attn.o_proj"), D}, HE);
    block.attention.heads = {d.num_attention_heads, d.num_key_value_heads, E};
    block.attention.rope = rope;
    block.attention.scale = 1.0f / std::sqrt(static_cast<float>(E));
    block.post_attention_layernorm = loader.Vector(name("post_attention_layernorm"), D);
    block.mlp.gate_up_proj = loader.GateUp(name("mlp.gate_proj"), name("mlp.up_proj"), F, D);
    block.mlp.down_proj = loader.Matrix({name("mlp.down_proj"), D}, F);
    block.mlp.activation = Epilogue::kSiluGate;
    blocks_.push_back(std::move(block));
  }
  norm_ = loader.Vector(names.norm(), D);
  lm_head_ = loader.Head(names.lm_head(), embed_tokens_, config_.tie_word_embeddings);
  stats_ = loader.Finish(names.layers_prefix());
}

}  // namespace

std::unique_ptr<CausalLm> LoadLlama(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                    const ModelLoadHooks& hooks) {
  return std::make_unique<Llama>(checkpoint, device, hooks);
}

}  // namespace inference
