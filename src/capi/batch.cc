#include "engine/batch.h"

#include <deque>
#include <map>

#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/generation.h"
#include "capi/guard.h"
#include "capi/objects.h"

namespace inference::capi {

struct BatchObject : ExclusiveObject {
  BatchObject(std::shared_ptr<ModelObject> of, const BatchOptions& options)
      : model(std::move(of)), batch(model->model, options) {}

  std::shared_ptr<ModelObject> model;
  Batch batch;
  std::map<uint64_t, Hold<SessionObject>> sessions;  // of requests that have one of the caller's
  std::deque<BatchEvent> pending;
  BatchEvent current;  // what the last event's pointers are into
  inf_event event = {};
  inf_result result = {};
  inf_batch_event lent = {};
};

namespace {

BatchOptions OptionsFrom(const inf_batch_options* from) {
  BatchOptions out;
  if (from == nullptr) return out;
  const auto options = InStruct(from, "options");
  Require(options.reserved == 0, Status::kAbi, "options: reserved is {}, want 0", options.reserved);
  if (options.slots != 0) out.slots = options.slots;
  out.step_tokens = options.step_tokens;
  return out;
}

const inf_batch_event* Lend(BatchObject& object) {
  object.current = std::move(object.pending.front());
  object.pending.pop_front();
  const BatchEvent& from = object.current;
  object.lent = {};
  object.lent.struct_size = sizeof(object.lent);
  object.lent.id = from.id;
  object.lent.message = from.message.c_str();
  object.lent.message_len = from.message.size();
  if (from.is_done) {
    object.sessions.erase(from.id);
    object.lent.status = from.status ? static_cast<int32_t>(*from.status) : INF_OK;
    object.result = Describe(from.result);
    object.result.struct_size = sizeof(object.result);
    object.lent.result = &object.result;
  } else {
    object.event = Describe(from.event);
    object.lent.event = &object.event;
  }
  return &object.lent;
}

// Null where no request is left.
const inf_batch_event* NextEvent(BatchObject& object) {
  while (object.pending.empty()) {
    if (object.batch.size() == 0) return nullptr;
    for (BatchEvent& event : object.batch.Step()) object.pending.push_back(std::move(event));
  }
  return Lend(object);
}

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_batch_new(inf_model* model, const inf_batch_options* options, inf_batch** out,
                         inf_error* err) {
  return Guard(err, [&] {
    auto owner = Lookup(model, "model");
    const BatchOptions wanted = OptionsFrom(options);
    RequireOut(out, "out");
    *out = NewHandle<inf_batch>(std::make_shared<BatchObject>(std::move(owner), wanted));
  });
}

void inf_batch_free(inf_batch* batch) { FreeHandle(batch); }

inf_status inf_batch_add(inf_batch* batch, inf_session* session, const inf_request* request,
                         uint64_t* id, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(batch, "batch");
    const Hold wanted = Acquire(request, "request");
    RequireOut(id, "id");
    GenerateRequest copy = RequestFor(*held->model->model, *wanted);
    if (session == nullptr) {
      *id = held->batch.Add(nullptr, std::move(copy));
      return;
    }
    const auto object = Lookup(session, "session");
    for (const auto& [other, in_use] : held->sessions) {
      Require(&*in_use != object.get(), Status::kState,
              "session: is in request {} of this batch, which has not ended", other);
    }
    Hold<SessionObject> its(object, "session");
    const uint64_t added = held->batch.Add(its->session, std::move(copy));
    held->sessions.emplace(added, std::move(its));
    *id = added;
  });
}

inf_status inf_batch_remove(inf_batch* batch, uint64_t id, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(batch, "batch");
    Require(held->batch.Remove(id), Status::kArg, "batch: no request {} is left in it", id);
    held->sessions.erase(id);
    std::erase_if(held->pending, [&](const BatchEvent& event) { return event.id == id; });
  });
}

inf_status inf_batch_next(inf_batch* batch, const inf_batch_event** event, inf_error* err) {
  return Guard(err, [&]() -> inf_status {
    const Hold held = Acquire(batch, "batch");
    RequireOut(event, "event");
    const inf_batch_event* next = NextEvent(*held);
    if (next == nullptr) return INF_DONE;
    *event = next;
    return INF_OK;
  });
}

inf_status inf_batch_run(inf_batch* batch, inf_batch_fn fn, void* user, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(batch, "batch");
    while (const inf_batch_event* event = NextEvent(*held)) {
      if (CallBack(fn, user, *event) == Answer::kStop) return;
    }
  });
}

}  // extern "C"
