#include <utility>

#include "chat/jinja_args.h"
#include "chat/jinja_eval.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"

namespace inference::jinja {

namespace {

// Takes `name` out of the named arguments; false where it is not there.
bool TakeNamed(Args& args, std::string_view name, Value& out) {
  for (auto entry = args.named.begin(); entry != args.named.end(); ++entry) {
    if (entry->first != name) continue;
    out = entry->second;
    args.named.erase(entry);
    return true;
  }
  return false;
}

}  // namespace

Args Evaluator::EvalArgs(const Expr* expr) {
  Args args;
  for (const Expr* item : expr->items) args.positional.push_back(Eval(item));
  for (const auto& [name, item] : expr->named) args.named.emplace_back(name, Eval(item));
  if (expr->star != nullptr) {
    for (const Value& value : Iterate(runtime_, Eval(expr->star))) {
      runtime_.Charge(1);
      args.positional.push_back(value);
    }
  }
  if (expr->star_star != nullptr) {
    const Value more = Eval(expr->star_star);
    if (more.kind() != Kind::kDict) Raise("argument after ** is not a mapping");
    for (const auto& [key, value] : more.dict()->entries) {
      runtime_.Charge(1 + args.named.size() / 16);
      if (!key.IsString()) Raise("keywords must be strings");
      for (const auto& [name, other] : args.named) {
        if (name == key.text()) Raise("argument {} given twice", QuoteLikePython(name));
      }
      args.named.emplace_back(key.text(), value);
    }
  }
  return args;
}

Value Evaluator::Call(const Value& callee, const Args& args) {
  RequireDefined(callee);
  switch (callee.kind()) {
    case Kind::kMacro:
      return CallMacro(*callee.Get<Macro*>(), args);
    case Kind::kLoop:
      return CallLoop(*callee.Get<Loop*>(), args);
    case Kind::kBuiltin:
      return callee.Get<const Builtin*>()->call(runtime_, args);
    case Kind::kMethod: {
      const Method& method = *callee.Get<const Method*>();
      if (method.self.IsString()) runtime_.ChargeText(method.self.text().size());
      return method.info->call(runtime_, method.self, args);
    }
    case Kind::kJoiner: {
      Bound(args, "joiner", {});
      Joiner& joiner = *callee.Get<Joiner*>();
      return Value(std::exchange(joiner.used, true) ? joiner.separator : std::string_view());
    }
    default:
      Raise("'{}' object is not callable", TypeName(callee));
  }
}

Value Evaluator::CallMacro(const Macro& macro, const Args& args) {
  Scope* const outer = scope_;
  TextOut* const outer_out = out_;
  TextOut text(runtime_);
  Scope* const inner = runtime_.NewScope(macro.scope);
  BindParameters(*macro.definition, args, inner);
  scope_ = inner;
  out_ = &text;
  ExecBlock(macro.definition->body);
  out_ = outer_out;
  scope_ = outer;
  return runtime_.Text(text.Take());
}

void Evaluator::BindParameters(const Stmt& definition, const Args& args, Scope* scope) {
  const std::vector<Parameter>& parameters = definition.parameters;
  const std::string name = QuoteLikePython(definition.text);
  Args rest = args;
  bool explicit_caller = false;
  scope_ = scope;  // a default may use the parameters before it
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    Value value;
    if (i < args.positional.size()) {
      value = args.positional[i];
    } else if (!TakeNamed(rest, parameter.name, value)) {
      value = parameter.fallback != nullptr
                  ? Eval(parameter.fallback)
                  : runtime_.UndefinedWith(fmt::format("parameter {} was not provided",
                                                       QuoteLikePython(parameter.name)));
    }
    explicit_caller = explicit_caller || parameter.name == "caller";
    scope->Set(parameter.name, value);
  }
  if (definition.uses_caller && !explicit_caller) {
    Value caller;
    if (!TakeNamed(rest, "caller", caller)) caller = runtime_.UndefinedWith("No caller defined");
    scope->Set("caller", caller);
  }
  if (definition.uses_kwargs) {
    Dict* named = runtime_.NewDict();
    for (const auto& [key, value] : rest.named) SetKey(runtime_, named, Value(key), value);
    scope->Set("kwargs", Value(named));
  } else if (!rest.named.empty()) {
    Raise("macro {} takes no keyword argument {}", name, QuoteLikePython(rest.named[0].first));
  }
  if (definition.uses_varargs) {
    List* more = runtime_.NewList(Sequence::kTuple);
    for (size_t i = parameters.size(); i < args.positional.size(); ++i) {
      runtime_.Append(more, args.positional[i]);
    }
    scope->Set("varargs", Value(more));
  } else if (args.positional.size() > parameters.size()) {
    Raise("macro {} takes not more than {} argument(s)", name, parameters.size());
  }
}

Value Evaluator::CallLoop(const Loop& loop, const Args& args) {
  if (!loop.statement->recursive) Raise("the loop is not recursive and cannot be called");
  if (args.positional.size() != 1 || !args.named.empty()) Raise("loop() wants one iterable");
  TextOut text(runtime_);
  TextOut* const outer = out_;
  out_ = &text;
  ExecFor(*loop.statement, args.positional[0], loop.scope, loop.depth + 1);
  out_ = outer;
  return runtime_.Text(text.Take());
}

void Evaluator::ExecCallBlock(const Stmt& stmt) {
  const Value callee = Eval(stmt.value->left);
  Args args = EvalArgs(stmt.value);
  args.named.emplace_back("caller", Value(runtime_.NewMacro(&stmt, scope_)));
  position_ = stmt.value->offset;
  out_->Add(Str(runtime_, Call(callee, args)));
}

}  // namespace inference::jinja
