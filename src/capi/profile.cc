#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "formats/json.h"

namespace inference::capi {

namespace {

OrderedJson Describe(const KernelTime& time) {
  return {{"kernel", time.kernel},
          {"what", time.work.what},
          {"launches", time.launches},
          {"ns", time.ns},
          {"weight_bytes", time.work.weight_bytes},
          {"read_bytes", time.work.read_bytes},
          {"written_bytes", time.work.written_bytes},
          {"flops", time.work.flops}};
}

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_profile_start(inf_runtime* runtime, uint32_t device, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    const std::shared_ptr<Device> open = owner->runtime->OpenDevice(device);
    open->Run([&] { open->StartProfile(); });
  });
}

inf_status inf_profile_stop(inf_runtime* runtime, uint32_t device, inf_buf* json, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(runtime, "runtime");
    RequireBuffer(json, "json");
    const std::shared_ptr<Device> open = owner->runtime->OpenDevice(device);
    OrderedJson kernels = OrderedJson::array();
    for (const KernelTime& time : open->Run([&] { return open->StopProfile(); })) {
      kernels.push_back(Describe(time));
    }
    FillBuffer(json, OrderedJson{{"kernels", std::move(kernels)}}.dump());
  });
}

}  // extern "C"
