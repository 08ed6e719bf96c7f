#include "chat/messages.h"

#include "util/error.h"

namespace inference {

namespace {

// A system message is a turn of the user's: Gemma knows no such role.
constexpr const char* kGemma =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<start_of_turn>' ~ ('model' if message.role in ['assistant', 'model'] else 'user') ~ "
    "'\\n' "
    "~ message.content ~ '<end_of_turn>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

constexpr const char* kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

constexpr const char* kLlama3 =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n' ~ message.content "
    "~ '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}";

constexpr const char* kPlain = "{{ messages | map(attribute='content') | join('\\n') }}";

}  // namespace

OrderedJson ParseMessages(std::string_view json) {
  OrderedJson messages;
  try {
    messages = ParseOrderedJson(json, "messages");
  } catch (const Error& error) {
    Fail(Status::kArg, "{}", error.what());
  }
  Require(messages.is_array(), Status::kArg, "messages: is {}, wanted an array of objects",
          messages.type_name());
  for (size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson& message = messages[i];
    Require(message.is_object(), Status::kArg, "messages[{}]: is {}, wanted an object", i,
            message.type_name());
    const auto role = message.find("role");
    Require(role != message.end(), Status::kArg, "messages[{}]: role: missing, wanted a string", i);
    Require(role->is_string(), Status::kArg, "messages[{}]: role: is {}, wanted a string", i,
            role->type_name());
  }
  return messages;
}

const char* BuiltinTemplate(std::string_view name) {
  if (name == "gemma") return kGemma;
  if (name == "chatml") return kChatMl;
  if (name == "llama3") return kLlama3;
  if (name == "plain") return kPlain;
  return nullptr;
}

}  // namespace inference
