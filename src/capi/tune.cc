#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_device_tune(inf_runtime* runtime, uint32_t device, int32_t action, inf_buf* json,
                           inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    RequireBuffer(json, "json");
    Require(action >= INF_TUNE_SHOW && action <= INF_TUNE_RESET, Status::kArg,
            "action: is {}, want {} to {}", action, INF_TUNE_SHOW, INF_TUNE_RESET);
    Runtime& engine = *owner->runtime;
    if (action == INF_TUNE_MEASURE) engine.TuneDevice(device);
    if (action == INF_TUNE_RESET) engine.ResetTuning(device);
    FillBuffer(json, engine.DescribeTuning(device));
  });
}

}  // extern "C"
