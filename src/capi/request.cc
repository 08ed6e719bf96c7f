#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

extern "C" {

void inf_sampling_init(inf_sampling* sampling) {
  if (sampling == nullptr) return;
  *sampling = {};
  sampling->struct_size = sizeof(*sampling);
  sampling->max_tokens = 256;
}

inf_status inf_request_new(inf_request** out, inf_error* err) {
  return Guard(err, [&] {
    RequireOut(out, "out");
    *out = NewHandle<inf_request>(std::make_shared<RequestObject>());
  });
}

void inf_request_free(inf_request* request) { FreeHandle(request); }

inf_status inf_request_set_text(inf_request* request, const char* text, size_t text_len,
                                uint32_t flags, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    FlagsArg(flags, INF_ADD_SPECIAL | INF_PARSE_SPECIAL, "flags");
    held->prompt = TextPrompt{.text = std::string(TextArg(text, text_len, "text")),
                              .options = {.add_special = (flags & INF_ADD_SPECIAL) != 0,
                                          .parse_special = (flags & INF_PARSE_SPECIAL) != 0}};
  });
}

inf_status inf_request_set_tokens(inf_request* request, const inf_token* ids, size_t n,
                                  inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    const std::span<const int32_t> list = IdsArg(ids, n, "ids");
    held->prompt = std::vector<int32_t>(list.begin(), list.end());
  });
}

inf_status inf_request_set_chat(inf_request* request, const inf_chat* chat, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->prompt = Acquire(chat, "chat")->conversation;
  });
}

inf_status inf_request_set_sampling(inf_request* request, const inf_sampling* sampling,
                                    inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    const auto given = InStruct(sampling, "sampling");
    FlagsArg(given.flags, INF_SAMPLING_IGNORE_END, "sampling: flags");
    Require(given.max_tokens > 0, Status::kArg, "sampling: max_tokens is {}, want 1 or more",
            given.max_tokens);
    // In the struct 0 means "off"; for the engine a penalty of 1 is off.
    const SampleOptions options{
        .temperature = given.temperature,
        .top_k = given.top_k,
        .top_p = given.top_p,
        .min_p = given.min_p,
        .repeat_penalty = given.repeat_penalty == 0.0f ? 1.0f : given.repeat_penalty,
        .seed = given.seed};
    CheckSampling(options);
    held->max_tokens = given.max_tokens;
    held->ignore_end = (given.flags & INF_SAMPLING_IGNORE_END) != 0;
    held->sampling = options;
  });
}

inf_status inf_request_set_adapters(inf_request* request, const inf_adapter* const* adapters,
                                    const float* scales, size_t n, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->adapters = AdaptersArg(adapters, scales, n);
  });
}

inf_status inf_request_set_cancel(inf_request* request, inf_cancel* cancel, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->cancel = LookupOptional(cancel, "cancel");
  });
}

}  // extern "C"
