#include "capi/generation.h"

namespace inference::capi {

static_assert(static_cast<uint32_t>(Finish::kNone) == INF_FINISH_NONE);
static_assert(static_cast<uint32_t>(Finish::kEnd) == INF_FINISH_END);
static_assert(static_cast<uint32_t>(Finish::kLength) == INF_FINISH_LENGTH);
static_assert(static_cast<uint32_t>(Finish::kContextFull) == INF_FINISH_CONTEXT_FULL);
static_assert(static_cast<uint32_t>(Finish::kStopped) == INF_FINISH_STOPPED);
static_assert(static_cast<uint32_t>(Finish::kCancelled) == INF_FINISH_CANCELLED);
static_assert(static_cast<uint32_t>(Finish::kError) == INF_FINISH_ERROR);
static_assert(static_cast<uint32_t>(Finish::kStopString) == INF_FINISH_STOP_STRING);
static_assert(static_cast<uint32_t>(Finish::kStopToken) == INF_FINISH_STOP_TOKEN);

GenerateRequest RequestFor(const Model& model, const RequestObject& from) {
  GenerateRequest request = from.wanted;
  const Tokenizer& tokenizer = *model.text()->tokenizer;
  if (const auto* text = std::get_if<TextPrompt>(&from.prompt)) {
    EncodeOptions options = text->options;
    options.cancel = request.cancel.get();
    request.prompt = tokenizer.Encode(text->text, options);
  } else if (const auto* ids = std::get_if<std::vector<int32_t>>(&from.prompt)) {
    request.prompt = *ids;
  } else if (const auto* chat = std::get_if<Conversation>(&from.prompt)) {
    EncodeOptions options = kRenderedChat;
    options.cancel = request.cancel.get();
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
  result.prefill_tok_s = TokensPerSecond(from.prefill_tokens, from.prefill_ns);
  result.dropped_tokens = from.dropped_tokens;
  result.overflows = from.overflows;
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
  event.logprob = from.logprob;
  if (!from.ids.empty()) {
    event.ids = from.ids.data();
    event.logprobs = from.logprobs.data();
    event.ids_len = from.ids.size();
  }
  return event;
}

}  // namespace inference::capi
