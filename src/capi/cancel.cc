#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_cancel_new(inf_cancel** out, inf_error* err) {
  return Guard(err, [&] {
    RequireOut(out, "out");
    *out = NewHandle<inf_cancel>(std::make_shared<CancelFlag>());
  });
}

// No lock, no allocation, no error: safe in a signal handler.
void inf_cancel_trigger(inf_cancel* cancel) {
  if (const CancelPin pin(cancel); pin) pin->Trigger();
}

void inf_cancel_reset(inf_cancel* cancel) {
  if (const CancelPin pin(cancel); pin) pin->Reset();
}

int32_t inf_cancel_is_set(const inf_cancel* cancel) {
  const CancelPin pin(cancel);
  return pin && pin->IsSet() ? 1 : 0;
}

void inf_cancel_free(inf_cancel* cancel) { FreeHandle(cancel); }

}  // extern "C"
