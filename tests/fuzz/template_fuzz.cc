// Chat templates from anywhere: the input is a template, then possibly a zero byte and the
// variables as a JSON object. Whatever it is, parsing and rendering end with a text or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/chat_template.h"
#include "chat/render_chat.h"
#include "util/error.h"

namespace {

constexpr std::string_view kVariables =
    R"({"messages": [{"role": "system", "content": "S \u00e9"}, {"role": "user", "content": "U"},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}], "tool_calls": [
         {"id": "1", "function": {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "bos_token": "<s>", "eos_token": "</s>", "n": -7, "s": " a b ", "d": {"k": {"v": 1}}})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inference;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\0');
  const std::string_view json = end == input.npos ? kVariables : input.substr(end + 1);
  try {
    const ChatTemplate parsed = ChatTemplate::Parse(input.substr(0, end), "t");
    OrderedJson variables = ParseOrderedJson(json, "variables");
    if (!variables.is_object()) return 0;
    OrderedJson messages = OrderedJson::array();
    if (const auto given = variables.find("messages");
        given != variables.end() && given->is_array()) {
      for (const OrderedJson& message : *given) {
        if (message.is_object()) messages.push_back(message);
      }
    }
    for (const bool proceed : {false, true}) {
      try {
        RenderChat(parsed, messages, variables,
                   {.add_generation_prompt = !proceed, .continue_final_message = proceed});
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
