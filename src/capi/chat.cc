#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"
#include "chat/messages.h"
#include "chat/render_chat.h"
#include "tokenizer/lossy_utf8.h"

namespace inference::capi {

namespace {

OrderedJson JsonArg(std::string_view text, const char* name) {
  try {
    return ParseOrderedJson(text, name);
  } catch (const Error& error) {
    if (error.status() != Status::kFormat) throw;
    Fail(Status::kArg, "{}", error.what());
  }
}

OrderedJson MessagesArg(std::string_view text) {
  const bool single = JsonArg(text, "messages").is_object();
  return ParseMessages(single ? fmt::format("[{}]", text) : std::string(text));
}

}  // namespace

std::string Conversation::Render(const ChatRendering& rendering) const {
  const auto tools = variables.find("tools");
  const bool has_tools = tools != variables.end() && !tools->is_null();
  const TemplateChoice& choice = chosen.empty() ? text->chosen : chosen;
  const ChatTemplate& used =
      choice.other ? *choice.other : text->templates.Select(choice.name, has_tools);
  OrderedJson all = text->special_tokens;
  all.update(variables);
  ChatRendering limited = rendering;
  limited.effort = text->template_effort;
  return RenderChat(used, messages, all, limited);
}

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_chat_new(const inf_tokenizer* tokenizer, inf_chat** out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    RequireOut(out, "out");
    auto chat = std::make_shared<ChatObject>();
    chat->conversation.text = object->text;
    *out = NewHandle<inf_chat>(std::move(chat));
  });
}

void inf_chat_free(inf_chat* chat) { FreeHandle(chat); }

inf_status inf_chat_add(inf_chat* chat, const char* role, size_t role_len, const char* text,
                        size_t text_len, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    const std::string_view who = TextArg(role, role_len, "role");
    Require(!who.empty(), Status::kArg, "role: is empty");
    OrderedJson message = OrderedJson::object();
    message["role"] = LossyUtf8(who);
    message["content"] = LossyUtf8(TextArg(text, text_len, "text"));
    held->conversation.messages.push_back(std::move(message));
  });
}

inf_status inf_chat_add_json(inf_chat* chat, const char* json, size_t json_len, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    OrderedJson added = MessagesArg(TextArg(json, json_len, "json"));
    OrderedJson all = held->conversation.messages;
    for (OrderedJson& message : added) all.push_back(std::move(message));
    held->conversation.messages = std::move(all);
  });
}

inf_status inf_chat_set_variables_json(inf_chat* chat, const char* json, size_t json_len,
                                       inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    OrderedJson variables = JsonArg(TextArg(json, json_len, "json"), "variables");
    Require(variables.is_object(), Status::kArg, "variables: is {}, wanted an object",
            variables.type_name());
    held->conversation.variables = std::move(variables);
  });
}

inf_status inf_chat_set_template(inf_chat* chat, const char* text, size_t text_len,
                                 inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    const std::string_view source = TextArg(text, text_len, "text");
    held->conversation.chosen = source.empty()
                                    ? TemplateChoice()
                                    : ChooseTemplate(held->conversation.text->templates, source);
  });
}

inf_status inf_chat_clear(inf_chat* chat, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    held->conversation.messages = OrderedJson::array();
  });
}

inf_status inf_chat_render(const inf_chat* chat, uint32_t flags, inf_buf* text, inf_tokens* ids,
                           inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(chat, "chat");
    FlagsArg(flags, INF_ADD_GENERATION_PROMPT | INF_CONTINUE_FINAL_MESSAGE, "flags");
    if (text != nullptr) RequireBuffer(text, "text");
    if (ids != nullptr) RequireBuffer(ids, "ids");
    const Conversation& conversation = held->conversation;
    const std::string rendered =
        conversation.Render({.add_generation_prompt = (flags & INF_ADD_GENERATION_PROMPT) != 0,
                             .continue_final_message = (flags & INF_CONTINUE_FINAL_MESSAGE) != 0});
    std::vector<int32_t> encoded;
    if (ids != nullptr) {
      encoded = conversation.text->tokenizer->Encode(rendered, kRenderedChat);
      ReserveBuffer(ids, encoded.size());
    }
    if (text != nullptr) FillBuffer(text, rendered);
    if (ids != nullptr) FillBuffer(ids, encoded);
  });
}

}  // extern "C"
