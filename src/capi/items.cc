#include "capi/items.h"

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/score.h"

using namespace inference;
using namespace inference::capi;

namespace inference::capi {

std::vector<std::vector<int32_t>> AllIds(const Model& model, const InputsObject& inputs,
                                         const CancelFlag* cancel) {
  std::vector<std::vector<int32_t>> out;
  for (const Input& input : inputs.list) {
    if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) {
      out.push_back(*ids);
      continue;
    }
    const auto& text = std::get<TextPrompt>(input);
    EncodeOptions options = text.options;
    options.cancel = cancel;
    out.push_back(model.text()->tokenizer->Encode(text.text, options));
  }
  return out;
}

AdapterSet AdaptersOf(const inf_request* request, const char* name) {
  if (request == nullptr) return {};
  return Acquire(request, name)->wanted.adapters.value_or(AdapterSet());
}

}  // namespace inference::capi

extern "C" {

inf_status inf_inputs_new(inf_inputs** out, inf_error* err) {
  return Guard(err, [&] {
    RequireOut(out, "out");
    *out = NewHandle<inf_inputs>(std::make_shared<InputsObject>());
  });
}

void inf_inputs_free(inf_inputs* inputs) { FreeHandle(inputs); }

inf_status inf_inputs_add_text(inf_inputs* inputs, const char* text, size_t text_len,
                               uint32_t flags, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(inputs, "inputs");
    FlagsArg(flags, INF_ADD_SPECIAL | INF_PARSE_SPECIAL, "flags");
    held->list.emplace_back(
        TextPrompt{.text = std::string(TextArg(text, text_len, "text")),
                   .options = {.add_special = (flags & INF_ADD_SPECIAL) != 0,
                               .parse_special = (flags & INF_PARSE_SPECIAL) != 0,
                               .is_prompt = true}});
  });
}

inf_status inf_inputs_add_tokens(inf_inputs* inputs, const inf_token* ids, size_t n,
                                 inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(inputs, "inputs");
    const std::span<const int32_t> list = IdsArg(ids, n, "ids");
    held->list.emplace_back(std::vector<int32_t>(list.begin(), list.end()));
  });
}

uint64_t inf_items_count(const inf_items* items) {
  return GuardOr(uint64_t{0}, [&] {
    return std::visit([](const auto& list) { return static_cast<uint64_t>(list.size()); },
                      Lookup(items, "items")->results);
  });
}

void inf_items_free(inf_items* items) { FreeHandle(items); }

inf_status inf_items_score(const inf_items* items, uint64_t index, inf_score_desc* out,
                           inf_tokens* ids, inf_floats* per_token, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    RequireScoreOuts(out, per_token);
    if (ids != nullptr) RequireBuffer(ids, "ids");
    const auto& item = ItemAt<ScoredItem>(*object, index, "scores");
    if (ids != nullptr) FillBuffer(ids, item.ids);
    FillScore(item.score, out, per_token);
  });
}

inf_status inf_items_next(const inf_items* items, uint64_t index, inf_tokens* ids,
                          inf_floats* logprobs, inf_next_desc* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    RequireNextOuts(ids, logprobs, out);
    FillNext(ItemAt<NextTokens>(*object, index, "next tokens"), object->vocab_size, ids, logprobs,
             out);
  });
}

inf_status inf_items_class(const inf_items* items, uint64_t index, inf_class_desc* out,
                           inf_buf* text, inf_floats* values, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    if (out != nullptr) RequireOutStruct(out, "out");
    if (text != nullptr) RequireBuffer(text, "text");
    if (values != nullptr) RequireBuffer(values, "values");
    const auto& item = ItemAt<ClassItem>(*object, index, "classes");
    if (text != nullptr) FillBuffer(text, item.text);
    if (values != nullptr) FillBuffer(values, item.values);
    if (out == nullptr) return;
    inf_class_desc desc = {};
    desc.token = item.token;
    desc.label = item.label;
    desc.tokens = item.tokens;
    FillOut(out, desc);
  });
}

inf_status inf_items_vector(const inf_items* items, uint64_t index, inf_floats* out,
                            inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    RequireBuffer(out, "out");
    FillBuffer(out, ItemAt<Vector>(*object, index, "vectors"));
  });
}

}  // extern "C"
