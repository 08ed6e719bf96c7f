#include "models/decoder.h"

#include <cmath>

#include "nn/decoder_block.h"
#include "nn/linear.h"
#include "ops/embedding.h"
#include "ops/norm.h"
#include "util/error.h"

namespace inference {

namespace {

class Decoder final : public CausalLm {
 public:
  Decoder(DecoderConfig config, const TensorNames& names, WeightLoader& loader);

  const ModelDims& dims() const override { return config_.dims; }
  const WeightStats& stats() const override { return stats_; }
  const std::vector<WeightBytes>& weights() const override { return weights_; }
  std::vector<LayerCacheSpec> cache_specs() const override;
  bool GateUpAlternates(int64_t layer) const override {
    return static_cast<bool>(blocks_[static_cast<size_t>(layer)].mlp.gate_up_proj);
  }
  ResidualStream Forward(Recording& recording, const Step& step, const KvCache& cache,
                         int64_t layers, std::span<const StepAdapter> adapters) const override;
  Tensor Logits(Recording& recording, const Step& step, const ResidualStream& stream, int64_t first,
                int64_t count) const override;
  Tensor Hidden(Recording& recording, const Step& step, const ResidualStream& stream, int64_t first,
                int64_t count, bool is_last) const override;

 private:
  MatmulInput Outputs(Recording& recording, const Step& step, const ResidualStream& stream,
                      int64_t first, int64_t count) const;
  DecoderBlock LoadBlock(int64_t layer, const TensorNames& names, WeightLoader& loader) const;
  Attention LoadAttention(int64_t layer, const TensorNames& names, WeightLoader& loader) const;
  GatedMlp LoadMlp(int64_t layer, const TensorNames& names, WeightLoader& loader) const;

  DecoderConfig config_;
  PackedMatrix embed_tokens_;    // [V, D]
  RopeTable rope_, local_rope_;  // the second, where there is one: of layers with a window
  std::vector<DecoderBlock> blocks_;
  Tensor norm_;           // [D]
  PackedMatrix lm_head_;  // [V, D]
  WeightStats stats_;
  std::vector<WeightBytes> weights_;
};

std::vector<LayerCacheSpec> Decoder::cache_specs() const {
  std::vector<LayerCacheSpec> out;
  for (const int64_t window : config_.windows) {
    out.push_back(
        {.kv_heads = dims().num_key_value_heads, .head_dim = dims().head_dim, .window = window});
  }
  return out;
}

ResidualStream Decoder::Forward(Recording& recording, const Step& step, const KvCache& cache,
                                int64_t layers, std::span<const StepAdapter> adapters) const {
  const auto scale = static_cast<float>(config_.embed_scale);
  ResidualStream stream{Embed(recording, embed_tokens_, step, scale), {}, {}};  // [T, D]
  const Tensor angles = RopeAngles(recording, rope_, step);
  const Tensor local = local_rope_.inv_freq ? RopeAngles(recording, local_rope_, step) : angles;
  for (size_t i = 0; i < static_cast<size_t>(layers); ++i) {
    const CacheView layer = cache.layer(i);
    std::vector<ActiveLora> active;
    for (const StepAdapter& adapter : adapters) {
      active.push_back({&(*adapter.blocks)[i], adapter.coefs});
    }
    stream = blocks_[i](recording, stream, layer.window > 0 ? local : angles, step, layer, active);
  }
  return stream;
}

// Of the last norm. Where every token is an output, none has to be moved.
MatmulInput Decoder::Outputs(Recording& recording, const Step& step, const ResidualStream& stream,
                             int64_t first, int64_t count) const {
  const auto outputs = [&](const Tensor& x) {
    return !x || count == step.shape.tokens ? x : TakeOutputs(recording, x, step, first, count);
  };
  return {.x = outputs(stream.x),
          .norm_weight = norm_,
          .delta = outputs(stream.delta),
          .delta_norm_weight = stream.delta_norm,
          .eps = blocks_[0].eps};
}

Tensor Decoder::Hidden(Recording& recording, const Step& step, const ResidualStream& stream,
                       int64_t first, int64_t count, bool is_last) const {
  MatmulInput input = Outputs(recording, step, stream, first, count);
  if (!is_last) input.norm_weight = {};
  return NormRows(recording, input);
}

Tensor Decoder::Logits(Recording& recording, const Step& step, const ResidualStream& stream,
                       int64_t first, int64_t count) const {
  const PreparedInput last =
      PrepareInput(recording, Outputs(recording, step, stream, first, count));
  if (config_.final_logit_softcapping == 0.0) return Linear(recording, last, lm_head_);
  const Tensor logits = recording.Temp({last.T, lm_head_.rows});  // [count, V]
  Project(recording, last, lm_head_, logits,
          {.epilogue = Epilogue::kSoftCap,
           .soft_cap = static_cast<float>(config_.final_logit_softcapping)});
  return logits;
}

// The frequencies; in GGUF, Llama 3.1's stretch is a table of divisors.
RopeTable LoadRope(const RopeConfig& rope, WeightLoader& loader) {
  constexpr const char* kFactors = "rope_freqs.weight";
  std::vector<float> inv_freq = RopeFrequencies(rope);
  if (loader.Has(kFactors)) {
    const std::vector<float> factors = loader.HostVector(kFactors, rope.rotary_dim / 2);
    for (size_t i = 0; i < inv_freq.size(); ++i) {
      Require(std::isfinite(factors[i]) && factors[i] > 0.0f, Status::kFormat,
              "{}: tensor {}: value {} is {}, expected a positive number", loader.path(), kFactors,
              i, factors[i]);
      inv_freq[i] /= factors[i];
    }
  }
  return {loader.Upload(inv_freq), static_cast<float>(rope.scaling.attention_factor)};
}

Decoder::Decoder(DecoderConfig config, const TensorNames& names, WeightLoader& loader)
    : config_(std::move(config)) {
  const int64_t D = dims().hidden_size;
  embed_tokens_ = loader.Embedding(names.embed_tokens(), dims().vocab_size, D);
  rope_ = LoadRope(config_.rope, loader);
  if (config_.local_rope) local_rope_ = LoadRope(*config_.local_rope, loader);
  for (int64_t i = 0; i < dims().num_layers; ++i) blocks_.push_back(LoadBlock(i, names, loader));
  norm_ = loader.Vector(names.norm(), D, config_.norm_offset);
  lm_head_ = loader.Head(names.lm_head(), embed_tokens_, config_.tie_word_embeddings);
  stats_ = loader.Finish(names.layers_prefix());
  weights_ = loader.TakeWeights();
}

DecoderBlock Decoder::LoadBlock(int64_t layer, const TensorNames& names,
                                WeightLoader& loader) const {
  const auto norm = [&](const char* role) {
    return loader.Vector(names.Layer(layer, role), dims().hidden_size, config_.norm_offset);
  };
  DecoderBlock block;
  block.eps = static_cast<float>(config_.rms_norm_eps);
  block.attention_norm = norm("attention_norm");
  block.attention = LoadAttention(layer, names, loader);
  block.mlp_norm = norm("mlp_norm");
  block.mlp = LoadMlp(layer, names, loader);
  if (config_.sub_layer_output_norms) {
    block.attention_output_norm = norm("attention_output_norm");
    block.mlp_output_norm = norm("mlp_output_norm");
  }
  return block;
}

Attention Decoder::LoadAttention(int64_t layer, const TensorNames& names,
                                 WeightLoader& loader) const {
  const ModelDims& d = dims();
  const int64_t E = d.head_dim, HE = d.num_attention_heads * E, KE = d.num_key_value_heads * E;
  const int64_t interleaved = config_.interleaved_heads ? E : 0;
  const auto matrix = [&](const char* role, int64_t rows, bool has_bias, int64_t head_dim = 0) {
    return StoredMatrix{.name = names.Layer(layer, role),
                        .rows = rows,
                        .has_bias = has_bias,
                        .interleaved_head_dim = head_dim};
  };
  const bool has_bias = config_.q_k_v_bias;
  Attention out;
  if (config_.fused_projections) {
    out.qkv_proj = loader.Stack({matrix("qkv_proj", HE + 2 * KE, has_bias)}, d.hidden_size);
  } else {
    out.qkv_proj =
        loader.Stack({matrix("q_proj", HE, has_bias, interleaved),
                      matrix("k_proj", KE, has_bias, interleaved), matrix("v_proj", KE, has_bias)},
                     d.hidden_size);
  }
  out.o_proj = loader.Matrix(matrix("o_proj", d.hidden_size, config_.o_bias), HE);
  out.heads = {d.num_attention_heads, d.num_key_value_heads, E};
  if (config_.qk_norm) {
    const auto norm = [&](const char* role) {
      return loader.Vector(names.Layer(layer, role), E, config_.norm_offset);
    };
    out.qk_norm = {norm("q_norm"), norm("k_norm"), static_cast<float>(config_.rms_norm_eps)};
  }
  out.scores = {static_cast<float>(config_.attention_scale),
                static_cast<float>(config_.attn_logit_softcapping)};
  return out;
}

GatedMlp Decoder::LoadMlp(int64_t layer, const TensorNames& names, WeightLoader& loader) const {
  const int64_t D = dims().hidden_size, F = dims().intermediate_size;
  const bool fused = config_.fused_projections;
  StoredMatrix gate{.name = names.Layer(layer, fused ? "gate_up_proj" : "gate_proj"),
                    .rows = F,
                    .has_bias = config_.mlp_bias};
  StoredMatrix up = gate;
  if (fused) {
    gate.stored_rows = up.stored_rows = 2 * F;
    up.first_row = F;
  } else {
    up.name = names.Layer(layer, "up_proj");
  }
  GatedMlp out;
  if (loader.CanInterleave(gate, up, D)) {
    out.gate_up_proj = loader.GateUp(gate, up, D);
  } else {
    out.gate_proj = loader.Matrix(gate, D);
    out.up_proj = loader.Matrix(up, D);
  }
  out.down_proj = loader.Matrix(
      {.name = names.Layer(layer, "down_proj"), .rows = D, .has_bias = config_.mlp_bias}, F);
  out.activation = config_.activation;
  return out;
}

}  // namespace

std::unique_ptr<CausalLm> LoadDecoder(DecoderConfig config, const TensorNames& names,
                                      WeightLoader& loader) {
  return std::make_unique<Decoder>(std::move(config), names, loader);
}

}  // namespace inference
