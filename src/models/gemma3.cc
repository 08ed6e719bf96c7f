// Gemma 3 (Gemma Team 2025): norms before and after each sub-layer, per-head norms of queries and
// keys, and five layers with a sliding window to each that sees everything.
#include "models/gemma3.h"

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
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

// The residual stream between blocks: x + Norm(delta), where the sum is left to whoever reads it.
struct Stream {
  Tensor x;           // [T, D]
  Tensor delta;       // [T, D], or empty: nothing to add
  Tensor delta_norm;  // [D]
};

struct Block {
  Tensor input_layernorm;  // [D], as the other norms
  Attention attention;
  Tensor post_attention_layernorm;
  Tensor pre_feedforward_layernorm;
  GatedMlp mlp;
  Tensor post_feedforward_layernorm;
  float eps;

  // h = x + PostNorm(Attn(Norm(x)));  y = h + PostNorm(Mlp(Norm(h)))
  Stream operator()(Recording& recording, const Stream& in, const StepBuffer& step,
                    const CacheView& cache) const {
    const PreparedInput a = PrepareInput(recording, {.x = in.x,
                                                     .norm_weight = input_layernorm,
                                                     .delta = in.delta,
                                                     .delta_norm_weight = in.delta_norm,
                                                     .eps = eps});
    const Tensor x = in.delta ? a.sum : in.x;
    const Tensor attended = attention(recording, a, step, cache);
    const PreparedInput m = PrepareInput(recording, {.x = x,
                                                     .norm_weight = pre_feedforward_layernorm,
                                                     .delta = attended,
                                                     .delta_norm_weight = post_attention_layernorm,
                                                     .eps = eps});
    return {m.sum, mlp(recording, m), post_feedforward_layernorm};
  }
};

class Gemma3 final : public CausalLm {
 public:
  Gemma3(const Checkpoint& checkpoint, const std::shared_ptr<Device>& device,
         const ModelLoadHooks& hooks);

  const ModelDims& dims() const override { return config_.dims; }
  const WeightStats& stats() const override { return stats_; }
  std::vector<LayerCacheSpec> cache_specs() const override;
  Tensor Forward(Recording& recording, const StepBuffer& step, const KvCache& cache, int64_t T,
                 LogitsOf which) const override;

 private:
  Block LoadBlock(WeightLoader& loader, const TensorNames& names, int64_t layer) const;

  Gemma3Config config_;
  float norm_offset_;          // Hugging Face stores w - 1
  PackedMatrix embed_tokens_;  // [V, D]
  RopeTable rope_, local_rope_;
  std::vector<Block> blocks_;
  Tensor norm_;           // [D]
  PackedMatrix lm_head_;  // [V, D]
  WeightStats stats_;
};

std::vector<LayerCacheSpec> Gemma3::cache_specs() const {
  std::vector<LayerCacheSpec> out;
  for (const bool slides : config_.slides) {
    out.push_back({.kv_heads = dims().num_key_value_heads,
                   .head_dim = dims().head_dim,
                   .window = slides ? config_.sliding_window : 0});
  }
  return out;
}

Tensor Gemma3::Forward(Recording& recording, const StepBuffer& step, const KvCache& cache,
                       int64_t T, LogitsOf which) const {
  const float scale = std::sqrt(static_cast<float>(dims().hidden_size));
  Stream stream{Embed(recording, embed_tokens_, step, T, scale), {}, {}};
  for (size_t i = 0; i < blocks_.size(); ++i) {
    stream = blocks_[i](recording, stream, step, cache.layer(i));
  }
  const PreparedInput last =
      PrepareInput(recording, {.x = stream.x,
                               .norm_weight = norm_,
                               .delta = stream.delta,
                               .delta_norm_weight = stream.delta_norm,
                               .eps = blocks_[0].eps,
                               .first_row = which == LogitsOf::kLast ? T - 1 : 0});
  return Linear(recording, last, lm_head_);  // [1 or T, V]
}

Gemma3::Gemma3(const Checkpoint& checkpoint, const std::shared_ptr<Device>& device,
               const ModelLoadHooks& hooks)
    : config_(ReadGemma3Config(checkpoint)),
      norm_offset_(checkpoint.format == CheckpointFormat::kGguf ? 0.0f : 1.0f) {
  const TensorNames names(checkpoint, kLayerNames);
  WeightLoader loader(checkpoint, device, hooks);
  const int64_t D = dims().hidden_size, E = dims().head_dim;

  embed_tokens_ = loader.Embedding(names.embed_tokens(), dims().vocab_size, D);
  const auto table = [&](const RopeConfig& rope) {
    return RopeTable{loader.Upload(RopeFrequencies(E, rope.theta, rope.scaling))};
  };
  rope_ = table(config_.rope);
  local_rope_ = table(config_.local_rope);
  for (int64_t i = 0; i < dims().num_layers; ++i) blocks_.push_back(LoadBlock(loader, names, i));
  norm_ = loader.Vector(names.norm(), D, norm_offset_);
  lm_head_ = loader.Head(names.lm_head(), embed_tokens_, config_.tie_word_embeddings);
  stats_ = loader.Finish(names.layers_prefix());
}

Block Gemma3::LoadBlock(WeightLoader& loader, const TensorNames& names, int64_t layer) const {
  const ModelDims& d = config_.dims;
  const int64_t D = d.hidden_size, F = d.intermediate_size, E = d.head_dim;
  const int64_t HE = d.num_attention_heads * E, KE = d.num_key_value_heads * E;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  const auto name = [&](std::string_view module) { return names.Layer(layer, module); };
  const auto norm = [&](std::string_view module, int64_t size) {
    return loader.Vector(name(module), size, norm_offset_);
  };
  Block block;
  block.eps = eps;
  block.input_layernorm = norm("input_layernorm", D);
  block.attention.qkv_proj = loader.Stack({{name("self_attn.q_proj"), HE},
                                           {name("self_attn.k_proj"), KE},
                                           {name("self_attn.v_proj"), KE}},
                                          D);
  block.attention.o_proj = loader.Matrix({name("self_attn.o_proj"), D}, HE);
  block.attention.heads = {d.num_attention_heads, d.num_key_value_heads, E};
  block.attention.qk_norm = {norm("self_attn.q_norm", E), norm("self_attn.k_norm", E), eps};
  block.attention.rope = config_.slides[static_cast<size_t>(layer)] ? local_rope_ : rope_;
  block.attention.scale = static_cast<float>(1.0 / std::sqrt(config_.query_pre_attn_scalar));
  block.post_attention_layernorm = norm("post_attention_layernorm", D);
  block.pre_feedforward_layernorm = norm("pre_feedforward_layernorm", D);
  block.mlp.gate_up_proj = loader.GateUp(name("mlp.gate_proj"), name("mlp.up_proj"), F, D);
  block.mlp.down_proj = loader.Matrix({name("mlp.down_proj"), D}, F);
  block.mlp.activation = Epilogue::kGeluGate;
  block.post_feedforward_layernorm = norm("post_feedforward_layernorm", D);
  return block;
}

}  // namespace

std::unique_ptr<CausalLm> LoadGemma3(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                                     const ModelLoadHooks& hooks) {
  return std::make_unique<Gemma3>(checkpoint, device, hooks);
}

}  // namespace inference
