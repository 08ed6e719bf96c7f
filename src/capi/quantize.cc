#include "models/quantize.h"

#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

namespace {

// 0 = `otherwise`; what int cannot hold is refused as any other wrong number.
int NumberArg(uint32_t value, int otherwise) {
  return value == 0 ? otherwise : static_cast<int>(std::min<uint32_t>(value, INT32_MAX));
}

}  // namespace

extern "C" {

inf_status inf_quantize(const char* path, size_t path_len, const char* out_path,
                        size_t out_path_len, uint32_t bits, uint32_t group,
                        const inf_config* config, inf_cancel* cancel, inf_event_fn progress,
                        void* user, inf_error* err) {
  return Guard(err, [&] {
    const std::string from = PathArg(path, path_len);
    const std::string to = PathArg(out_path, out_path_len, "out_path");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    QuantizeOptions options;
    options.bits = NumberArg(bits, options.bits);
    options.group = NumberArg(group, options.group);
    options.allow_symlinks = FlagOption(config, "allow_symlinks");
    options.cancel = flag.get();
    options.progress = [=](uint64_t done, uint64_t total) {
      ReportProgress(progress, user, done, total, "quantizing weights");
    };
    QuantizeFolder(from, to, options);
  });
}

}  // extern "C"
