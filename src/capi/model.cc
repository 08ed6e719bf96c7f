#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "engine/estimate.h"
#include "engine/quantization_info.h"

namespace inference::capi {

namespace {

DType KvTypeOf(std::string_view name) {
  if (name == "q8") return DType::kQ8_0;
  return name == "f16" ? DType::kF16 : DType::kF32;  // CheckOption let no other in
}

LoadOptions OptionsFrom(const inf_config* config) {
  LoadOptions options;
  if (config == nullptr) return options;
  options.text = TextOptionsFrom(config);
  options.validate_weights = FlagOption(config, "validate_weights");
  const Hold held = Acquire(config, "config");
  const auto& values = held->values;
  const auto set = [&values](const char* key, auto& to) {
    using Value = std::decay_t<decltype(to)>;
    if (const auto it = values.find(key); it != values.end()) to = std::get<Value>(it->second);
  };
  set("device", options.device);
  set("n_ctx", options.context_length);
  set("prefill_chunk", options.prefill_chunk);
  std::string kv_type = "f32";
  set("kv_type", kv_type);
  options.kv_type = KvTypeOf(kv_type);
  int64_t kv_limit = 0;
  set("kv_limit", kv_limit);
  options.kv_limit = static_cast<uint64_t>(kv_limit);
  int64_t prefix_cache = -1;
  set("prefix_cache", prefix_cache);
  if (prefix_cache >= 0) options.prefix_cache = static_cast<uint64_t>(prefix_cache);
  std::string activations = "f32";
  set("activations", activations);
  options.round_activations = activations == "int8";
  set("parallel_slots", options.parallel_slots);
  return options;
}

inf_model_desc Describe(const ModelObject& object) {
  const Model& model = *object.model;
  const ModelDims& dims = model.network().dims();
  const WeightStats& stats = model.network().stats();
  const QuantizationInfo quantization = QuantizationOf(stats.main_format);
  inf_model_desc desc = {};
  desc.device = static_cast<uint32_t>(model.device_index());
  desc.architecture = dims.architecture.c_str();
  desc.format = model.format() == CheckpointFormat::kGguf ? "gguf" : "safetensors";
  desc.quantization = object.quantization.c_str();
  desc.path = model.path().c_str();
  desc.parameters = stats.parameters;
  desc.weight_bytes = stats.bytes;
  desc.decode_bytes_per_token = stats.decode_bytes_per_token;
  desc.kv_bytes_per_token = KvBytesPerToken(model.cache_specs());
  desc.vocab_size = static_cast<uint32_t>(dims.vocab_size);
  desc.num_layers = static_cast<uint32_t>(dims.num_layers);
  desc.hidden_size = static_cast<uint32_t>(dims.hidden_size);
  desc.num_attention_heads = static_cast<uint32_t>(dims.num_attention_heads);
  desc.num_key_value_heads = static_cast<uint32_t>(dims.num_key_value_heads);
  desc.head_dim = static_cast<uint32_t>(dims.head_dim);
  desc.intermediate_size = static_cast<uint32_t>(dims.intermediate_size);
  desc.context_length = static_cast<uint32_t>(model.context_length());
  desc.quant_bits = quantization.bits;
  desc.quant_group = quantization.group;
  return desc;
}

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_model_load(inf_runtime* runtime, const char* path, size_t path_len,
                          const inf_config* config, inf_cancel* cancel, inf_event_fn progress,
                          void* user, inf_model** out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    const std::string where = PathArg(path, path_len);
    const LoadOptions options = OptionsFrom(config);
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    ModelLoadHooks hooks{.cancel = flag.get()};
    if (progress != nullptr) {
      hooks.progress = [=](uint64_t done, uint64_t total) {
        ReportProgress(progress, user, done, total, "loading weights");
      };
    }
    auto model = Model::Load(owner->runtime, where, options, hooks);
    std::string name = NameOf(model->network().stats().main_format);
    *out = NewHandle<inf_model>(
        std::make_shared<ModelObject>(ModelObject{std::move(model), std::move(name)}));
  });
}

inf_status inf_model_estimate(const inf_runtime* runtime, const char* path, size_t path_len,
                              const inf_config* config, inf_fit_desc* out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    const std::string where = PathArg(path, path_len);
    const LoadOptions options = OptionsFrom(config);
    RequireOutStruct(out, "out");
    const Fit fit = EstimateModel(*owner->runtime, where, options);
    inf_fit_desc desc = {};
    desc.fits = fit.fits() ? 1 : 0;
    desc.device = static_cast<uint32_t>(fit.device_index);
    desc.context_length = static_cast<uint32_t>(fit.context_length);
    desc.weight_bytes = fit.weight_bytes;
    desc.kv_bytes_per_token = fit.kv_bytes_per_token;
    desc.kv_bytes = fit.kv_bytes;
    desc.scratch_bytes = fit.scratch_bytes;
    desc.wanted_bytes = fit.wanted();
    desc.active_bytes = fit.active_bytes;
    desc.limit_bytes = fit.limit_bytes;
    desc.missing_bytes = fit.fits() ? 0 : fit.wanted() - fit.left();
    FillOut(out, desc);
  });
}

void inf_model_free(inf_model* model) { FreeHandle(model); }

inf_status inf_model_info(const inf_model* model, inf_model_desc* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(model, "model");
    RequireOutStruct(out, "out");
    FillOut(out, Describe(*object));
  });
}

inf_status inf_model_tokenizer(const inf_model* model, inf_tokenizer** out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(model, "model");
    RequireOut(out, "out");
    *out = NewHandle<inf_tokenizer>(
        std::make_shared<TokenizerObject>(TokenizerObject{object->model->text()}));
  });
}

}  // extern "C"
