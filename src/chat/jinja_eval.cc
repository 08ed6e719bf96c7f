#include "chat/jinja_eval.h"

#include "chat/jinja_fault.h"
#include "chat/jinja_globals.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "util/error.h"

namespace inference::jinja {

std::string Evaluator::Render(const Program& program) {
  TextOut out(runtime_);
  out_ = &out;
  ExecBlock(program.body);
  return out.Take();
}

Evaluator::Flow Evaluator::ExecBlock(const Block& block) {
  const DepthGuard guard(runtime_.depth);
  for (const Stmt* stmt : block) {
    position_ = stmt->offset;
    runtime_.Charge(1);
    const Flow flow = Exec(*stmt);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::Exec(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kText:
      out_->Add(stmt.text);
      break;
    case StmtKind::kPrint:
      out_->Add(Str(runtime_, Eval(stmt.value)));
      break;
    case StmtKind::kIf:
      return ExecIf(stmt);
    case StmtKind::kFor:
      return ExecFor(stmt, Eval(stmt.value), scope_, /*depth=*/0);
    case StmtKind::kSet:
      Assign(stmt.target, Eval(stmt.value));
      break;
    case StmtKind::kSetBlock:
    case StmtKind::kFilterBlock:
      return ExecCaptured(stmt);
    case StmtKind::kWith:
    case StmtKind::kGeneration:
      return ExecScoped(stmt);
    case StmtKind::kMacro:
      scope_->Set(stmt.text, Value(runtime_.NewMacro(&stmt, scope_)));
      break;
    case StmtKind::kCallBlock:
      ExecCallBlock(stmt);
      break;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::ExecIf(const Stmt& stmt) {
  for (const Branch& branch : stmt.branches) {
    if (branch.test == nullptr || IsTrue(Eval(branch.test))) return ExecBlock(branch.body);
  }
  return Flow::kNext;
}

const std::vector<Value>& Evaluator::LoopItems(const Stmt& stmt, const Value& iterated) {
  const std::vector<Value>& all = Iterate(runtime_, iterated);
  if (stmt.test == nullptr) return all;
  List* kept = runtime_.NewList();
  scope_ = runtime_.NewScope(scope_);
  for (const Value& item : all) {
    scope_->variables.clear();
    Assign(stmt.target, item);
    if (IsTrue(Eval(stmt.test))) runtime_.Append(kept, item);
  }
  scope_ = scope_->parent;
  return kept->items;
}

Evaluator::Flow Evaluator::ExecFor(const Stmt& stmt, const Value& iterated, Scope* around,
                                   int64_t depth) {
  Scope* const outer = scope_;
  scope_ = around;
  Loop* loop = runtime_.NewLoop();
  loop->statement = &stmt;
  loop->scope = around;
  loop->items = &LoopItems(stmt, iterated);
  loop->depth = depth;
  Flow flow = Flow::kNext;
  if (loop->items->empty()) {
    scope_ = runtime_.NewScope(around);
    flow = ExecBlock(stmt.otherwise);
  } else {
    Scope* const inner = runtime_.NewScope(around);
    for (; loop->index < loop->items->size(); ++loop->index) {
      runtime_.Charge(1);
      scope_ = inner;
      inner->variables.clear();  // what an iteration sets does not reach the next one
      Assign(stmt.target, (*loop->items)[loop->index]);
      inner->Set("loop", Value(loop));
      if (ExecBlock(stmt.body) == Flow::kBreak) break;
    }
  }
  scope_ = outer;
  return flow;
}

Evaluator::Flow Evaluator::ExecCaptured(const Stmt& stmt) {
  TextOut text(runtime_);
  TextOut* const outer = out_;
  out_ = &text;
  scope_ = runtime_.NewScope(scope_);
  const Flow flow = ExecBlock(stmt.body);
  scope_ = scope_->parent;
  out_ = outer;
  if (flow != Flow::kNext) return flow;
  position_ = stmt.offset;
  captured_ = runtime_.Text(text.Take());
  const Value value = Eval(stmt.value);
  if (stmt.kind == StmtKind::kSetBlock) {
    Assign(stmt.target, value);
  } else {
    out_->Add(Str(runtime_, value));
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::ExecScoped(const Stmt& stmt) {
  Scope* const inner = runtime_.NewScope(scope_);
  for (const Parameter& parameter : stmt.parameters) {
    inner->Set(parameter.name, Eval(parameter.fallback));
  }
  scope_ = inner;
  const Flow flow = ExecBlock(stmt.body);
  scope_ = inner->parent;
  return flow;
}

void Evaluator::Assign(const Expr* target, const Value& value) {
  if (target->kind == ExprKind::kName) return scope_->Set(target->name, value);
  if (target->kind == ExprKind::kAttribute) {
    const Value space = Eval(target->left);
    position_ = target->offset;
    if (space.kind() != Kind::kSpace || space.Get<Space*>()->is_self) {
      Raise("cannot assign attribute on non-namespace object {}", Quote(target->left->name));
    }
    RequirePublicName(target->name);
    for (auto& [name, old] : space.Get<Space*>()->attributes) {
      if (name == target->name) {
        old = value;
        return;
      }
    }
    runtime_.Charge(1);
    space.Get<Space*>()->attributes.emplace_back(target->name, value);
    return;
  }
  position_ = target->offset;
  const std::vector<Value>& values = Iterate(runtime_, value);
  if (values.size() != target->items.size()) {
    Raise("{} values to unpack, wanted {}", values.size(), target->items.size());
  }
  for (size_t i = 0; i < values.size(); ++i) Assign(target->items[i], values[i]);
}

}  // namespace inference::jinja
