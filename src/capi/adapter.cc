#include "engine/adapter.h"

#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "models/merge.h"

namespace inference::capi {

namespace {

AdapterReadOptions OptionsFrom(const inf_config* config, const CancelFlag* cancel) {
  AdapterReadOptions options{.cancel = cancel};
  if (config == nullptr) return options;
  options.allow_symlinks = FlagOption(config, "allow_symlinks");
  const Hold held = Acquire(config, "config");
  const auto scale = held->values.find("adapter_scale");
  if (scale != held->values.end()) {
    options.scale = static_cast<float>(std::get<double>(scale->second));
  }
  return options;
}

inf_adapter* NewAdapter(std::shared_ptr<const Adapter> adapter) {
  return NewHandle<inf_adapter>(std::make_shared<AdapterObject>(AdapterObject{std::move(adapter)}));
}

}  // namespace

AdapterSet AdaptersArg(const inf_adapter* const* adapters, const float* scales, size_t n) {
  if (n > 0) RequirePointer(adapters, alignof(inf_adapter*), "adapters");
  if (scales != nullptr) RequirePointer(scales, alignof(float), "scales");
  std::vector<AdapterUse> uses;
  for (size_t i = 0; i < n; ++i) {
    const std::string name = fmt::format("adapters[{}]", i);
    uses.push_back({Lookup(adapters[i], name.c_str())->adapter, scales ? scales[i] : 1.0f});
  }
  return AdapterSet(std::move(uses));
}

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_adapter_load(inf_model* model, const char* path, size_t path_len,
                            const inf_config* config, inf_cancel* cancel, inf_adapter** out,
                            inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(model, "model");
    const std::string where = PathArg(path, path_len);
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    const AdapterReadOptions options = OptionsFrom(config, flag.get());
    RequireOut(out, "out");
    *out = NewAdapter(Adapter::Load(owner->model, where, options));
  });
}

inf_status inf_adapter_null(const inf_adapter* like, uint64_t seed, double init_scale,
                            double rank_scale, inf_adapter** out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(like, "like");
    RequireOut(out, "out");
    *out = NewAdapter(Adapter::Null(
        *object->adapter, {.seed = seed, .init_scale = init_scale, .rank_scale = rank_scale}));
  });
}

void inf_adapter_free(inf_adapter* adapter) { FreeHandle(adapter); }

inf_status inf_adapter_info(const inf_adapter* adapter, inf_adapter_desc* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(adapter, "adapter");
    RequireOutStruct(out, "out");
    const Adapter& of = *object->adapter;
    inf_adapter_desc desc = {};
    desc.layers = static_cast<uint32_t>(of.layers());
    desc.modules = static_cast<uint32_t>(of.modules().size());
    desc.max_rank = static_cast<uint32_t>(of.max_rank());
    desc.format = of.format().c_str();
    desc.path = of.path().c_str();
    desc.hash = of.hash().c_str();
    desc.parameters = of.parameters();
    desc.bytes = of.bytes();
    FillOut(out, desc);
  });
}

inf_status inf_adapter_merge(const char* path, size_t path_len, const char* adapter_path,
                             size_t adapter_path_len, float scale, const char* out_path,
                             size_t out_path_len, const inf_config* config, inf_cancel* cancel,
                             inf_event_fn progress, void* user, inf_error* err) {
  return Guard(err, [&] {
    const std::string from = PathArg(path, path_len);
    const std::string adapter = PathArg(adapter_path, adapter_path_len, "adapter_path");
    const std::string to = PathArg(out_path, out_path_len, "out_path");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    const AdapterReadOptions options = OptionsFrom(config, flag.get());
    MergeAdapter(from, adapter, to,
                 {.scale = scale,
                  .adapter_scale = options.scale,
                  .allow_symlinks = options.allow_symlinks,
                  .cancel = flag.get(),
                  .progress = [=](uint64_t done, uint64_t total) {
                    ReportProgress(progress, user, done, total, "merging weights");
                  }});
  });
}

}  // extern "C"
