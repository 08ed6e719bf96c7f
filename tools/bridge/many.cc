// Commands on many prompts, which the protocol does not have. Their lines carry the "index" of a
// prompt; the last line is {"done": true, ...}, and what fails for one prompt alone is its
// "failure".
#include <memory>

#include "bridge/bridge.h"
#include "request_fields.h"
#include "token_lines.h"

namespace inference::tools {
namespace {

using Batch = Handle<inf_batch, inf_batch_free>;

std::vector<std::string> PromptsOf(const Json& command) {
  if (!command.contains("prompts")) {
    throw ApiError(INF_E_ARG, "prompts: is missing, want a list of strings");
  }
  return TextsField(command, "prompts");
}

Json ClassLine(const Items& items, uint64_t index, bool has_labels) {
  auto desc = Sized<inf_class_desc>();
  TextOutput text;
  FloatsOutput values;
  Json line{{"index", index}};
  try {
    Call(inf_items_class, items.get(), index, &desc, text.out(), values.out());
  } catch (const ApiError& error) {
    line["failure"] = error.what();
    return line;
  }
  if (!has_labels) {
    line["token"] = text.view();
    line["token_id"] = desc.token;
    return line;
  }
  line["label"] = desc.label;
  line["text"] = text.view();
  line["logprobs"] = std::vector<float>(values.span().begin(), values.span().end());
  return line;
}

Json EndLine(size_t index, uint32_t finish, uint64_t tokens, std::string_view why) {
  Json line{{"index", index}, {"finish", inf_finish_name(finish)}, {"tokens_generated", tokens}};
  if (!why.empty() && finish != INF_FINISH_CANCELLED) line["failure"] = why;
  return line;
}

}  // namespace

// {"cmd": "classify", "prompts": [...], "labels": [...] or none}, and sampling.
void Bridge::Classify(const BridgeCommand& command) {
  const std::vector<std::string> labels = TextsField(command.value, "labels");
  const bool has_labels = !labels.empty();
  const Inputs prompts = TextInputs(PromptsOf(command.value));
  const Inputs choices = has_labels ? TextInputs(labels) : Inputs();
  SamplingOptions sampling = Sampling(command);
  sampling.max_tokens = 1;
  const Request request = NewRequest(command, sampling);
  Items items;
  try {
    Call(inf_classify, loaded_->model.get(), static_cast<const inf_inputs*>(prompts.get()),
         static_cast<const inf_inputs*>(choices.get()),
         static_cast<const inf_request*>(request.get()), uint32_t{0}, command.cancel->get(),
         items.out());
  } catch (const ApiError& error) {
    if (error.status() != INF_E_CANCELLED) throw;
    return replies_.Send({{"done", true}, {"count", 0}, {"finish", "cancelled"}});
  }
  const uint64_t count = inf_items_count(items.get());
  for (uint64_t i = 0; i < count; ++i) replies_.Send(ClassLine(items, i, has_labels));
  replies_.Send({{"done", true}, {"count", count}});
}

// {"cmd": "batch_generate", "prompts": [...]}, and sampling: each prompt as "generate" would.
void Bridge::BatchGenerate(const BridgeCommand& command) {
  const std::vector<std::string> prompts = PromptsOf(command.value);
  const SamplingOptions sampling = Sampling(command);
  const Request request = NewRequest(command, sampling);
  Batch batch;
  Call(inf_batch_new, loaded_->model.get(), static_cast<const inf_batch_options*>(nullptr),
       batch.out());
  std::map<uint64_t, size_t> index_of;
  std::vector<std::unique_ptr<TokenLines>> lines;
  for (size_t i = 0; i < prompts.size(); ++i) {
    lines.push_back(std::make_unique<TokenLines>(
        loaded_->tokenizer, TokenLines::Options{.has_stops = !sampling.stops.empty()},
        [this, i](const Json& token) {
          Json line{{"index", i}};
          line.update(token);
          replies_.Send(line);
        }));
    try {
      uint64_t id = 0;
      Call(inf_request_set_text, request.get(), prompts[i].data(), prompts[i].size(),
           INF_ADD_SPECIAL | INF_PARSE_SPECIAL);
      Call(inf_batch_add, batch.get(), static_cast<inf_session*>(nullptr),
           static_cast<const inf_request*>(request.get()), &id);
      index_of[id] = i;
    } catch (const ApiError& error) {
      const bool is_cancelled = error.status() == INF_E_CANCELLED;
      replies_.Send(
          EndLine(i, is_cancelled ? INF_FINISH_CANCELLED : INF_FINISH_ERROR, 0, error.what()));
    }
  }
  uint64_t generated = 0;
  const inf_batch_event* event = nullptr;
  while (Call(inf_batch_next, batch.get(), &event) != INF_DONE) {
    const size_t i = index_of.at(event->id);
    if (event->event != nullptr) {
      if (event->event->kind == INF_EVENT_TOKEN) lines[i]->Add(*event->event);
      continue;
    }
    lines[i]->Flush();
    generated += event->result->generated_tokens;
    replies_.Send(EndLine(i, event->result->finish, event->result->generated_tokens,
                          std::string_view(event->message, event->message_len)));
  }
  replies_.Send({{"done", true}, {"tokens_generated", generated}});
}

}  // namespace inference::tools
