#include "chat/render_chat.h"

#include <string_view>
#include <utility>

#include "chat/jinja_text.h"
#include "util/error.h"

namespace inference {

namespace {

// Printed after the last message's text, and cut off with all that follows. The space at its end
// shows whether the template strips that text.
constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";

void AddReasoning(OrderedJson& message) {
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const auto found = message.find(name);
    if (found == message.end()) continue;
    const OrderedJson reasoning = *found;
    if (!message.contains("thinking")) {
      OrderedJson first = OrderedJson::object();  // the order of keys shows in a printed message
      first["thinking"] = reasoning;
      first.update(message);
      message = std::move(first);
    }
    message["reasoning_content"] = reasoning;
    return;
  }
}

// The text of the last message, to which the tag is appended.
std::string TagLast(OrderedJson& messages) {
  Require(!messages.empty(), Status::kArg, "continue_final_message: there is no message");
  OrderedJson& last = messages.back();
  OrderedJson* text = nullptr;
  if (const auto content = last.find("content"); content != last.end()) {
    if (content->is_string()) text = &*content;
    if (content->is_array()) {
      for (auto part = content->rbegin(); part != content->rend() && text == nullptr; ++part) {
        if (part->is_object() && part->contains("text")) text = &(*part)["text"];
      }
    }
  }
  Require(text != nullptr && text->is_string(), Status::kArg,
          "continue_final_message: messages[{}] has no text to continue", messages.size() - 1);
  std::string before = text->get<std::string>();
  *text = before + std::string(kTag);
  return before;
}

std::string CutAtTag(std::string rendered, std::string_view last_text) {
  const std::string_view stripped = jinja::StripRight(jinja::StripLeft(last_text));
  const size_t at = rendered.rfind(kTag.substr(0, kTag.size() - 1));
  Require(at != rendered.npos && rendered.find(stripped) != rendered.npos, Status::kTemplate,
          "continue_final_message: the template does not print the last message as it is");
  const bool kept = std::string_view(rendered).substr(at).starts_with(kTag);
  rendered.resize(at);
  return kept ? rendered : std::string(jinja::StripRight(rendered));
}

}  // namespace

OrderedJson PrepareMessages(const OrderedJson& messages) {
  OrderedJson out = OrderedJson::array();
  for (const OrderedJson& message : messages) {
    OrderedJson kept = OrderedJson::object();
    for (const auto& [key, value] : message.items()) {
      if (!value.is_null()) kept.push_back({key, value});
    }
    AddReasoning(kept);
    out.push_back(std::move(kept));
  }
  return out;
}

std::string RenderChat(const ChatTemplate& chat_template, const OrderedJson& messages,
                       const OrderedJson& variables, const ChatRendering& rendering) {
  Require(!rendering.add_generation_prompt || !rendering.continue_final_message, Status::kArg,
          "continue_final_message: excludes add_generation_prompt");
  OrderedJson all = variables;
  OrderedJson& seen = all["messages"] = PrepareMessages(messages);
  const std::string last = rendering.continue_final_message ? TagLast(seen) : std::string();
  all["add_generation_prompt"] = rendering.add_generation_prompt;
  std::string rendered = chat_template.Render(all, rendering.effort, rendering.cancel);
  return rendering.continue_final_message ? CutAtTag(std::move(rendered), last) : rendered;
}

}  // namespace inference
