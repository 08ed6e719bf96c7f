#include "chat/chat_template.h"

#include <algorithm>
#include <utility>

#include "chat/jinja_ast.h"
#include "chat/jinja_eval.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_from_json.h"
#include "chat/jinja_lexer.h"
#include "chat/jinja_parser.h"
#include "chat/jinja_text.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr size_t kMaxTemplateBytes = 1 << 20;

[[noreturn]] void FailIn(const jinja::Program& program, const std::string& name, size_t offset,
                         const char* message) {
  const std::string_view before =
      std::string_view(program.source).substr(0, std::min(offset, program.source.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const std::string_view on_line = newline == before.npos ? before : before.substr(newline + 1);
  Fail(Status::kTemplate, "{}:{}:{}: {}", name, line, 1 + jinja::CountChars(on_line), message);
}

}  // namespace

ChatTemplate ChatTemplate::Parse(std::string_view source, std::string name) {
  Require(source.size() <= kMaxTemplateBytes, Status::kTemplate,
          "{}: template has {} bytes, wanted at most {}", name, source.size(), kMaxTemplateBytes);
  Require(IsValidUtf8(source), Status::kTemplate, "{}: template is not UTF-8", name);
  auto program = std::make_shared<jinja::Program>();
  program->source = jinja::NormalizeNewlines(source);
  try {
    jinja::ParseProgram(*program);
  } catch (const jinja::Fault& fault) {
    FailIn(*program, name, fault.offset(), fault.what());
  }
  return ChatTemplate(std::move(program), std::move(name));
}

std::string ChatTemplate::Render(const OrderedJson& variables, int64_t effort,
                                 const CancelFlag* cancel) const {
  ThrowIfCancelled(cancel, "chat template");
  Require(variables.is_object(), Status::kArg, "{}: variables: not an object", name_);
  Require(effort >= 1 && effort <= kMaxTemplateEffort, Status::kArg,
          "{}: effort is {}, wanted 1..{}", name_, effort, kMaxTemplateEffort);
  jinja::Runtime runtime(effort, cancel);
  jinja::Scope* globals = runtime.NewScope(nullptr);
  jinja::Evaluator evaluator(runtime, globals);
  try {
    globals->Set("tools", jinja::Value());
    globals->Set("documents", jinja::Value());
    globals->Set("add_generation_prompt", jinja::Value(false));
    for (const auto& [key, value] : variables.items()) {
      globals->Set(key, jinja::FromJson(runtime, value));
    }
    return evaluator.Render(*program_);
  } catch (const jinja::Fault& fault) {
    const size_t at = fault.offset() == jinja::Fault::kHere ? evaluator.position() : fault.offset();
    FailIn(*program_, name_, at, fault.what());
  }
}

}  // namespace inference
