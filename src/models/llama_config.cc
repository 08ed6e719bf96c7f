#include "models/llama.h"
#include "models/tensor_names.h"
#include "util/error.h"

namespace inference {

namespace {

LlamaConfig FromGguf(const Checkpoint& checkpoint, const std::string& embed_tokens) {
  const GgufMetadata& metadata = checkpoint.metadata;
  const int64_t experts = metadata.FindInt("llama.expert_count", 0, INT32_MAX).value_or(0);
  Require(experts == 0, Status::kUnsupported,
          "{}: key 'llama.expert_count': is {}, expected a model without experts", checkpoint.path,
          experts);
  LlamaConfig out;
  out.dims = ReadGgufDims(checkpoint, embed_tokens);
  out.rms_norm_eps =
      GetGgufFloat(metadata, "llama.attention.layer_norm_rms_epsilon", kMinEps, kMaxEps);
  out.rope.theta = FindGgufFloat(metadata, "llama.rope.freq_base", kMinTheta, kMaxTheta)
                       .value_or(out.rope.theta);
  out.rope.scaling = ReadGgufRopeScaling(metadata, "llama");
  return out;
}

LlamaConfig FromJson(const JsonFields& config, const Checkpoint& checkpoint,
                     const std::string& embed_tokens) {
  RefuseFlags(config, {"attention_bias", "mlp_bias"});
  RequireText(config, "hidden_act", "silu");
  LlamaConfig out;
  out.dims = ReadDims(config, {.context_length = 2048}, checkpoint, embed_tokens);
  out.rms_norm_eps = config.FindFloat("rms_norm_eps", kMinEps, kMaxEps).value_or(out.rms_norm_eps);
  const auto parameters = config.FindObject("rope_parameters");
  out.rope.theta = (parameters ? *parameters : config)
                       .FindFloat("rope_theta", kMinTheta, kMaxTheta)
                       .value_or(out.rope.theta);
  if (const auto scaling = parameters ? parameters : config.FindObject("rope_scaling")) {
    out.rope.scaling = ReadRopeScaling(*scaling);
  }
  out.tie_word_embeddings = config.FindBool("tie_word_embeddings");
  return out;
}

}  // namespace

LlamaConfig ReadLlamaConfig(const Checkpoint& checkpoint) {
  // The names of the blocks do not matter here.
  const std::string embed_tokens = TensorNames(checkpoint, {}).embed_tokens();
  LlamaConfig out = checkpoint.format == CheckpointFormat::kGguf
                        ? FromGguf(checkpoint, embed_tokens)
                        : FromJson(JsonFields(checkpoint.config, checkpoint.path + "/config.json"),
                                   checkpoint, embed_tokens);
  out.dims.architecture = "llama";
  return out;
}

}  // namespace inference
