#include "capi/arguments.h"
#include "capi/callback.h"
#include "capi/guard.h"
#include "capi/objects.h"

namespace inference::capi {

static_assert(static_cast<uint32_t>(Finish::kNone) == INF_FINISH_NONE);
static_assert(static_cast<uint32_t>(Finish::kEnd) == INF_FINISH_END);
static_assert(static_cast<uint32_t>(Finish::kLength) == INF_FINISH_LENGTH);
static_assert(static_cast<uint32_t>(Finish::kContextFull) == INF_FINISH_CONTEXT_FULL);
static_assert(static_cast<uint32_t>(Finish::kStopped) == INF_FINISH_STOPPED);
static_assert(static_cast<uint32_t>(Finish::kCancelled) == INF_FINISH_CANCELLED);
static_assert(static_cast<uint32_t>(Finish::kError) == INF_FINISH_ERROR);

namespace {

GenerateRequest RequestFor(const Session& session, const RequestObject& from) {
  GenerateRequest request{.max_tokens = from.max_tokens,
                          .adapters = from.adapters,
                          .ignore_end = from.ignore_end,
                          .sampling = from.sampling,
                          .cancel = from.cancel};
  const Tokenizer& tokenizer = *session.model().text()->tokenizer;
  if (const auto* text = std::get_if<TextPrompt>(&from.prompt)) {
    EncodeOptions options = text->options;
    options.cancel = from.cancel.get();
    request.prompt = tokenizer.Encode(text->text, options);
  } else if (const auto* ids = std::get_if<std::vector<int32_t>>(&from.prompt)) {
    request.prompt = *ids;
  } else if (const auto* chat = std::get_if<Conversation>(&from.prompt)) {
    EncodeOptions options = kRenderedChat;
    options.cancel = from.cancel.get();
    const std::string rendered =
        chat->Render({.add_generation_prompt = true, .cancel = options.cancel});
    request.prompt = tokenizer.Encode(rendered, options);
    request.whole_context = true;
  } else {
    Fail(Status::kState, "request: has no prompt; set text, tokens or a chat");
  }
  return request;
}

inf_result Describe(const GenerateResult& from) {
  inf_result result = {};
  result.finish = static_cast<uint32_t>(from.finish);
  result.prompt_tokens = from.prompt_tokens;
  result.cached_tokens = from.cached_tokens;
  result.generated_tokens = from.generated_tokens;
  result.prefill_ns = from.prefill_ns;
  result.decode_ns = from.decode_ns;
  result.total_ns = from.total_ns;
  result.active_bytes = from.active_bytes;
  result.peak_bytes = from.peak_bytes;
  result.prefill_tok_s = TokensPerSecond(from.prompt_tokens - from.cached_tokens, from.prefill_ns);
  result.decode_tok_s =
      from.generated_tokens < 2 ? 0.0 : TokensPerSecond(from.generated_tokens - 1, from.decode_ns);
  return result;
}

inf_event Describe(const GenerateEvent& from) {
  inf_event event = {};
  event.struct_size = sizeof(event);
  event.kind = from.kind == GenerateEvent::Kind::kPrefill ? INF_EVENT_PREFILL : INF_EVENT_TOKEN;
  event.token = from.token;
  event.pos = from.position;
  event.step = from.step;
  event.total = from.total;
  event.text = from.text.c_str();
  event.text_len = from.text.size();
  return event;
}

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
      copy = RequestFor(*held->session, *wanted);
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
    GenerateRequest copy = RequestFor(*held->session, *wanted);
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
