#include "chat/messages.h"

#include <utility>

#include "util/error.h"

namespace inference {

namespace {

// The text of a message, whether `content` is a string, absent, or a list of parts.
constexpr const char* kTextMacro =
    "{%- macro text(message) -%}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- elif message.content is sequence and message.content is not mapping -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type != 'text' -%}"
    "{{- raise_exception('a content part of type ' ~ part.type ~ ' is not supported') -}}"
    "{%- endif -%}{{- part.text -}}{%- endfor -%}"
    "{%- elif message.content is defined -%}"
    "{{- raise_exception('content is neither text nor a list of parts') -}}"
    "{%- endif -%}{%- endmacro -%}";

// A system message is a turn of the user's: Gemma knows no such role.
constexpr const char* kGemma =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<start_of_turn>' ~ ('model' if message.role in ['assistant', 'model'] else 'user') ~ "
    "'\n' ~ text(message) ~ '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

// The same turn marks its text, and messages of other roles are dropped.
constexpr const char* kGemmaSystem =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}"
    "{{ '<start_of_turn>user\n[System: ' ~ text(message) ~ ']<end_of_turn>\n' }}"
    "{% elif message.role == 'user' %}"
    "{{ '<start_of_turn>user\n' ~ text(message) ~ '<end_of_turn>\n' }}"
    "{% elif message.role in ['assistant', 'model'] %}"
    "{{ '<start_of_turn>model\n' ~ text(message) ~ '<end_of_turn>\n' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

constexpr const char* kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' ~ message.role ~ '\n' ~ text(message) ~ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

constexpr const char* kLlama3 =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' ~ text(message) "
    "~ '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}";

constexpr const char* kPlain =
    "{% for message in messages %}"
    "{{ text(message) ~ ('' if loop.last else '\n') }}"
    "{% endfor %}";

constexpr std::pair<std::string_view, const char*> kStyles[] = {{"gemma", kGemma},
                                                                {"gemma-system", kGemmaSystem},
                                                                {"chatml", kChatMl},
                                                                {"llama3", kLlama3},
                                                                {"plain", kPlain}};

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

std::optional<std::string> BuiltinTemplate(std::string_view name) {
  for (const auto& [style, source] : kStyles) {
    if (style == name) return std::string(kTextMacro) + source;
  }
  return std::nullopt;
}

std::string BuiltinNames() {
  std::string names;
  for (const auto& [style, source] : kStyles) {
    if (!names.empty()) names += ", ";
    names += style;
  }
  return names;
}

}  // namespace inference
