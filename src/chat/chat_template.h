// A model's chat template: Jinja as Hugging Face's apply_chat_template runs it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "formats/json.h"
#include "util/cancel.h"

namespace inference {

namespace jinja {
struct Program;
}

constexpr int64_t kMaxTemplateEffort = 1000;

// Immutable and safe to use from several threads. Nothing of the process is reachable from a
// template: no files, no environment, only its variables.
class ChatTemplate {
 public:
  // `name` begins messages: a path, or "chat_template". Fails with TEMPLATE, "NAME:LINE:COLUMN:
  // ...".
  static ChatTemplate Parse(std::string_view source, std::string name);

  // `variables` is an object: messages, tools, add_generation_prompt, bos_token, eos_token and any
  // extras. As in Hugging Face, `tools` and `documents` are none and `add_generation_prompt` is
  // false where they are absent; leave out a token that the tokenizer does not have. Fails with
  // TEMPLATE where the template fails, calls raise_exception, or passes a limit: depth 100, 10^6
  // steps, 4 MiB of text, 200 ms; `effort` (1 to kMaxTemplateEffort) times as many steps and ms.
  // CANCELLED once `cancel` is set; it may be null.
  std::string Render(const OrderedJson& variables, int64_t effort = 1,
                     const CancelFlag* cancel = nullptr) const;

 private:
  ChatTemplate(std::shared_ptr<const jinja::Program> program, std::string name)
      : program_(std::move(program)), name_(std::move(name)) {}

  std::shared_ptr<const jinja::Program> program_;
  std::string name_;
};

}  // namespace inference
