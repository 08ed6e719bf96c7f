#include "engine/discover.h"

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_discover(const inf_runtime* runtime, const char* dir, size_t dir_len,
                        const inf_config* config, inf_model_list** out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    const std::string where = PathArg(dir, dir_len, "dir");
    const bool allow_symlinks = FlagOption(config, "allow_symlinks");
    RequireOut(out, "out");
    *out = NewHandle<inf_model_list>(std::make_shared<ModelListObject>(
        ModelListObject{Discover(where, allow_symlinks, owner->runtime->logger())}));
  });
}

uint32_t inf_model_list_count(const inf_model_list* list) {
  return GuardOr(uint32_t{0},
                 [&] { return static_cast<uint32_t>(Lookup(list, "list")->models.size()); });
}

inf_status inf_model_list_get(const inf_model_list* list, uint32_t index, inf_model_entry* out,
                              inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(list, "list");
    RequireOutStruct(out, "out");
    Require(index < object->models.size(), Status::kArg, "index: is {}, the list has {} models",
            index, object->models.size());
    const FoundModel& model = object->models[index];
    inf_model_entry entry = {};
    entry.loadable = model.reason.empty() ? 1 : 0;
    entry.path = model.path.c_str();
    entry.format = model.format == CheckpointFormat::kGguf ? "gguf" : "safetensors";
    entry.architecture = model.architecture.c_str();
    entry.quantization = model.quantization.name.c_str();
    entry.reason = model.reason.c_str();
    entry.bytes = model.bytes;
    entry.file_count = model.file_count;
    entry.quant_bits = model.quantization.bits;
    entry.quant_group = model.quantization.group;
    FillOut(out, entry);
  });
}

void inf_model_list_free(inf_model_list* list) { FreeHandle(list); }

}  // extern "C"
