#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/generation.h"
#include "capi/guard.h"
#include "capi/objects.h"

namespace inference::capi {

namespace {

// Hands every event to `fn`, until the text ends or `fn` says stop.
void RunGeneration(Generation& generation, inf_event_fn fn, void* user) {
  GenerateEvent event;
  while (generation.Next(event)) {
    try {
      if (CallBack(fn, user, Describe(event)) == Answer::kStop) {
        return generation.Stop(Finish::kStopped);
      }
    } catch (...) {
      generation.Stop(Finish::kError);
      throw;
    }
  }
}

}  // namespace

struct GenObject : ExclusiveObject {
  GenObject(Hold<SessionObject> held, GenerateRequest request)
      : session(std::move(held)), generation(session->session, std::move(request)) {}

  Hold<SessionObject> session;
  Generation generation;
  GenerateEvent event;
  inf_event lent = {};  // of `event`, until the next call
};

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

const char* inf_finish_name(uint32_t finish) { return FinishName(static_cast<Finish>(finish)); }

inf_status inf_generate(inf_session* session, const inf_request* request, inf_event_fn fn,
                        void* user, inf_result* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const Hold wanted = Acquire(request, "request");
    if (out != nullptr) RequireOutStruct(out, "out");
    GenerateRequest copy;
    try {
      copy = RequestFor(held->session->model(), *wanted);
    } catch (const Error& error) {  // cancelled while the prompt was made
      if (out != nullptr && error.status() == Status::kCancelled) {
        FillOut(out, Describe(GenerateResult{.finish = Finish::kCancelled}));
      }
      throw;
    }
    Generation generation(held->session, std::move(copy));
    try {
      RunGeneration(generation, fn, user);
    } catch (const Error& error) {
      const bool filled =
          error.status() == Status::kCancelled || error.status() == Status::kCallback;
      if (out != nullptr && filled) FillOut(out, Describe(generation.result()));
      throw;
    }
    if (out != nullptr) FillOut(out, Describe(generation.result()));
  });
}

inf_status inf_gen_start(inf_session* session, const inf_request* request, inf_gen** out,
                         inf_error* err) {
  return Guard(err, [&] {
    Hold held = Acquire(session, "session");
    const Hold wanted = Acquire(request, "request");
    RequireOut(out, "out");
    GenerateRequest copy = RequestFor(held->session->model(), *wanted);
    *out = NewHandle<inf_gen>(std::make_shared<GenObject>(std::move(held), std::move(copy)));
  });
}

inf_status inf_gen_next(inf_gen* gen, const inf_event** event, inf_error* err) {
  return Guard(err, [&]() -> inf_status {
    const Hold held = Acquire(gen, "gen");
    RequireOut(event, "event");
    if (!held->generation.Next(held->event)) return INF_DONE;
    held->lent = Describe(held->event);
    *event = &held->lent;
    return INF_OK;
  });
}

inf_status inf_gen_result(const inf_gen* gen, inf_result* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(gen, "gen");
    RequireOutStruct(out, "out");
    FillOut(out, Describe(held->generation.result()));
  });
}

void inf_gen_free(inf_gen* gen) { FreeHandle(gen); }

}  // extern "C"
