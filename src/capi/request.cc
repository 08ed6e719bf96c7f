#include <algorithm>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

namespace inference::capi {
namespace {

constexpr size_t kMaxStops = 1024, kMaxStopBytes = 64 << 10, kMaxStopTokens = 1 << 16;
constexpr size_t kMaxBiases = 1 << 20;

static_assert(static_cast<int>(SampleFilter::kTopP) + 1 == INF_FILTER_TOP_P);
static_assert(static_cast<int>(SampleFilter::kMinP) + 1 == INF_FILTER_MIN_P);
static_assert(static_cast<int>(SampleFilter::kTopK) + 1 == INF_FILTER_TOP_K);
static_assert(static_cast<int>(SampleFilter::kTypical) + 1 == INF_FILTER_TYPICAL);
static_assert(static_cast<int>(SampleFilter::kTemperature) + 1 == INF_FILTER_TEMPERATURE);

void RequireId(inf_token id, const char* name) {
  Require(id >= 0, Status::kArg, "{}: id is {}, want 0 or more", name, id);
}

// In the struct 0 means "off" or "as before"; for the engine a penalty of 1 is off.
SampleOptions SamplingFrom(const inf_sampling& given) {
  SampleOptions options{
      .temperature = given.temperature,
      .top_k = given.top_k,
      .top_p = given.top_p,
      .min_p = given.min_p,
      .typical_p = given.typical_p,
      .repeat_penalty = given.repeat_penalty == 0.0f ? 1.0f : given.repeat_penalty,
      .frequency_penalty = given.frequency_penalty,
      .presence_penalty = given.presence_penalty,
      .penalty_window = given.penalty_window,
      .seed = given.seed};
  if (std::ranges::all_of(given.order, [](uint8_t filter) { return filter == 0; })) return options;
  options.filters = 0;
  for (size_t i = 0; i < std::size(given.order); ++i) {
    const uint8_t filter = given.order[i];
    if (filter == 0) continue;
    Require(filter <= INF_FILTER_TEMPERATURE, Status::kArg,
            "sampling: order[{}] is {}, want INF_FILTER_* (1..{})", i, filter,
            INF_FILTER_TEMPERATURE);
    Require(i == options.filters, Status::kArg, "sampling: order[{}] is {}, after a zero", i,
            filter);
    Require(i < options.order.size(), Status::kArg,
            "sampling: order[{}] is {}, there are {} filters", i, filter, options.order.size());
    options.order[options.filters++] = static_cast<SampleFilter>(filter - 1);
  }
  return options;
}

}  // namespace
}  // namespace inference::capi

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
                                          .parse_special = (flags & INF_PARSE_SPECIAL) != 0,
                                          .is_prompt = true}};
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
    SampleOptions options = SamplingFrom(given);
    CheckSampling(options);
    options.logit_bias = std::move(held->wanted.sampling.logit_bias);
    held->wanted.max_tokens = given.max_tokens;
    held->wanted.ignore_end = (given.flags & INF_SAMPLING_IGNORE_END) != 0;
    held->wanted.sampling = std::move(options);
  });
}

inf_status inf_request_set_adapters(inf_request* request, const inf_adapter* const* adapters,
                                    const float* scales, size_t n, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->wanted.adapters = AdaptersArg(adapters, scales, n);
  });
}

inf_status inf_request_set_cancel(inf_request* request, inf_cancel* cancel, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->wanted.cancel = LookupOptional(cancel, "cancel");
  });
}

inf_status inf_request_add_stop(inf_request* request, const char* text, size_t text_len,
                                inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    const std::string stop(TextArg(text, text_len, "text"));
    Require(stop.size() <= kMaxStopBytes, Status::kLimit, "stop: has {} bytes, at most {}",
            stop.size(), kMaxStopBytes);
    Require(held->wanted.stops.size() < kMaxStops, Status::kLimit,
            "stop: {} strings are set, at most {}", held->wanted.stops.size(), kMaxStops);
    StopMatcher({stop});  // ARG
    held->wanted.stops.push_back(stop);
  });
}

inf_status inf_request_add_stop_token(inf_request* request, inf_token id, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    RequireId(id, "stop token");
    std::vector<int32_t>& ids = held->wanted.stop_tokens;
    if (std::ranges::find(ids, id) != ids.end()) return;
    Require(ids.size() < kMaxStopTokens, Status::kLimit, "stop token: {} are set, at most {}",
            ids.size(), kMaxStopTokens);
    ids.push_back(id);
  });
}

inf_status inf_request_clear_stops(inf_request* request, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    held->wanted.stops.clear();
    held->wanted.stop_tokens.clear();
  });
}

inf_status inf_request_add_bias(inf_request* request, inf_token id, float bias, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    RequireId(id, "logit bias");
    CheckSampling({.logit_bias = {{id, bias}}});
    auto& biases = held->wanted.sampling.logit_bias;
    const auto at = std::ranges::lower_bound(biases, id, {}, [](const auto& b) { return b.first; });
    if (at != biases.end() && at->first == id) {
      at->second = bias;
      return;
    }
    Require(biases.size() < kMaxBiases, Status::kLimit, "logit bias: {} ids have one, at most {}",
            biases.size(), kMaxBiases);
    biases.insert(at, {id, bias});
  });
}

inf_status inf_request_clear_bias(inf_request* request, inf_error* err) {
  return Guard(err, [&] { Acquire(request, "request")->wanted.sampling.logit_bias.clear(); });
}

inf_status inf_request_set_logprobs(inf_request* request, uint32_t flags, uint32_t top,
                                    inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    FlagsArg(flags, INF_LOGPROBS_GENERATED | INF_LOGPROBS_PROMPT, "flags");
    const bool generated = (flags & INF_LOGPROBS_GENERATED) != 0;
    constexpr auto kMost = static_cast<uint32_t>(kMaxTopLogprobs);
    Require(top <= kMost, Status::kArg, "top: is {}, want 0..{}", top, kMost);
    Require(top == 0 || generated, Status::kArg,
            "top: is {}, which wants INF_LOGPROBS_GENERATED in flags", top);
    held->wanted.logprobs = generated;
    held->wanted.top_logprobs = static_cast<int32_t>(top);
    held->wanted.prompt_logprobs = (flags & INF_LOGPROBS_PROMPT) != 0;
  });
}

inf_status inf_request_set_overflow(inf_request* request, uint32_t policy, uint64_t keep_head,
                                    inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(request, "request");
    Require(policy <= INF_OVERFLOW_KEEP_HEAD, Status::kArg, "policy: is {}, want 0..{}", policy,
            INF_OVERFLOW_KEEP_HEAD);
    const bool keeps = policy == INF_OVERFLOW_KEEP_HEAD;
    Require((keep_head > 0) == keeps && keep_head <= INT64_MAX, Status::kArg,
            "keep_head: is {}, want {}", keep_head,
            keeps ? "1 to 2^63-1" : "0 (only INF_OVERFLOW_KEEP_HEAD has a head)");
    held->wanted.keep_head.reset();
    if (policy != INF_OVERFLOW_ERROR) {
      held->wanted.keep_head = static_cast<int64_t>(keep_head);
    }
  });
}

}  // extern "C"
