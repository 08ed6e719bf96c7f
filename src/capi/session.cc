#include <algorithm>
#include <cstdlib>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "util/checked.h"

namespace inference::capi {

namespace {

int64_t CapacityFrom(const inf_session_options* options) {
  if (options == nullptr) return 0;
  const auto given = InStruct(options, "options");
  Require(given.reserved == 0, Status::kAbi, "options: reserved is {}, want 0", given.reserved);
  Require(given.capacity <= INT64_MAX, Status::kArg, "options: capacity is {}, want 0..2^63-1",
          given.capacity);
  return static_cast<int64_t>(given.capacity);
}

void ComputeLogits(Session& session, std::span<const int32_t> ids, const CancelFlag* cancel,
                   std::span<float> logits) {
  const auto vocab_size = static_cast<size_t>(session.model().network().dims().vocab_size);
  const auto chunk = static_cast<size_t>(session.logits_chunk());
  for (size_t done = 0; done < ids.size(); done += chunk) {
    ThrowIfCancelled(cancel, "session logits");
    const size_t n = std::min(chunk, ids.size() - done);
    session.PrefillLogits(ids.subspan(done, n), logits.subspan(done * vocab_size, n * vocab_size),
                          cancel);
  }
}

// A [rows, columns] matrix in memory that inf_floats_free can give back.
class FloatMatrix {
 public:
  FloatMatrix(size_t rows, size_t columns)
      : count_(CheckedMul(rows, columns).value_or(SIZE_MAX)),
        data_(static_cast<float*>(AllocateBytes(count_, sizeof(float))), &std::free) {}
  std::span<float> span() { return {data_.get(), count_}; }

  void MoveTo(inf_floats* out) {
    std::free(out->data);
    out->data = data_.release();
    out->len = out->cap = count_;
  }

 private:
  size_t count_;
  std::unique_ptr<float, void (*)(void*)> data_;
};

}  // namespace

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_session_new(inf_model* model, const inf_session_options* options, inf_session** out,
                           inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(model, "model");
    const int64_t capacity = CapacityFrom(options);
    RequireOut(out, "out");
    auto session = std::make_shared<SessionObject>();
    session->session = std::make_shared<Session>(owner->model, capacity);
    *out = NewHandle<inf_session>(std::move(session));
  });
}

void inf_session_free(inf_session* session) { FreeHandle(session); }

uint64_t inf_session_length(const inf_session* session) {
  return GuardOr(uint64_t{0}, [&] {
    return static_cast<uint64_t>(Lookup(session, "session")->session->length());
  });
}

uint64_t inf_session_capacity(const inf_session* session) {
  return GuardOr(uint64_t{0}, [&] {
    return static_cast<uint64_t>(Lookup(session, "session")->session->capacity());
  });
}

inf_status inf_session_tokens(const inf_session* session, inf_tokens* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    RequireBuffer(out, "out");
    FillBuffer(out, held->session->tokens());
  });
}

inf_status inf_session_reset(inf_session* session, inf_error* err) {
  return Guard(err, [&] { Acquire(session, "session")->session->Reset(); });
}

inf_status inf_session_truncate(inf_session* session, uint64_t length, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const uint64_t holds = static_cast<uint64_t>(held->session->length());
    Require(length <= holds, Status::kArg, "truncate: length is {}, the session holds {} tokens",
            length, holds);
    held->session->Truncate(static_cast<int64_t>(length));
  });
}

inf_status inf_session_fork(const inf_session* session, inf_session** out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    RequireOut(out, "out");
    auto fork = std::make_shared<SessionObject>();
    fork->session = held->session->Fork();
    *out = NewHandle<inf_session>(std::move(fork));
  });
}

inf_status inf_session_set_adapters(inf_session* session, const inf_adapter* const* adapters,
                                    const float* scales, size_t n, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    held->session->SetAdapters(AdaptersArg(adapters, scales, n));
  });
}

inf_status inf_session_logits(inf_session* session, const inf_token* ids, size_t n,
                              inf_cancel* cancel, inf_floats* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::span<const int32_t> list = IdsArg(ids, n, "ids");
    Require(n > 0, Status::kArg, "ids: is empty");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireBuffer(out, "out");
    Session& of = *held->session;
    of.CheckIds(list);
    Require(n <= static_cast<size_t>(of.capacity() - of.length()), Status::kContextFull,
            "session: {} tokens do not fit, it holds {} of {}", n, of.length(), of.capacity());
    FloatMatrix logits(n, static_cast<size_t>(of.model().network().dims().vocab_size));
    ComputeLogits(of, list, flag.get(), logits.span());
    logits.MoveTo(out);
  });
}

inf_status inf_session_metrics(const inf_session* session, inf_metrics* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(session, "session");
    RequireOutStruct(out, "out");
    const RequestMetrics metrics = object->session->metrics();
    inf_metrics desc = {};
    desc.requests = metrics.requests;
    desc.prompt_tokens = metrics.prompt_tokens;
    desc.generated_tokens = metrics.generated_tokens;
    desc.prefill_ns = metrics.prefill_ns;
    desc.decode_ns = metrics.decode_ns;
    desc.kv_bytes = object->session->kv_bytes();
    desc.cancelled = metrics.cancelled;
    desc.failed = metrics.failed;
    desc.cached_tokens = metrics.cached_tokens;
    desc.total_ns = metrics.total_ns;
    desc.active_bytes = metrics.active_bytes;
    desc.peak_bytes = metrics.peak_bytes;
    desc.prefill_tok_s = metrics.prefill_tok_s();
    desc.decode_tok_s = metrics.decode_tok_s();
    FillOut(out, desc);
  });
}

}  // extern "C"
