// A conversation through its template, as transformers' apply_chat_template does it.
#pragma once

#include <string>

#include "chat/chat_template.h"
#include "formats/json.h"

namespace inference {

struct ChatRendering {
  bool add_generation_prompt = false;   // end with the header of the assistant's turn
  bool continue_final_message = false;  // end within the last message, after its text
  int64_t effort = 1;                   // see ChatTemplate::Render
  const CancelFlag* cancel = nullptr;   // may be null
};

// Messages as templates see them: fields that are null are left out, and reasoning is there under
// each of its names (reasoning_content, thinking).
OrderedJson PrepareMessages(const OrderedJson& messages);

// `variables` is an object: special tokens, tools, documents and any extras. Fails with ARG where
// both flags are set or the last message has no text to continue, and with TEMPLATE where the
// template fails or does not print that text. CANCELLED as ChatTemplate::Render.
std::string RenderChat(const ChatTemplate& chat_template, const OrderedJson& messages,
                       const OrderedJson& variables, const ChatRendering& rendering);

}  // namespace inference
