// Walks a Program and writes its output. One Evaluator renders once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja_ast.h"
#include "chat/jinja_runtime.h"

namespace inference::jinja {

class Evaluator {
 public:
  // `globals`: the template's variables.
  Evaluator(Runtime& runtime, Scope* globals) : runtime_(runtime), scope_(globals) {}

  // After a Fault the evaluator is of no further use, but for position().
  std::string Render(const Program& program);
  size_t position() const { return position_; }  // byte offset of what ran last

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // Statements: jinja_eval.cc
  Flow ExecBlock(const Block& block);
  Flow Exec(const Stmt& stmt);
  Flow ExecIf(const Stmt& stmt);
  Flow ExecFor(const Stmt& stmt, const Value& iterated, Scope* around, int64_t depth);
  Flow ExecCaptured(const Stmt& stmt);  // set and filter blocks
  Flow ExecScoped(const Stmt& stmt);    // with and generation blocks
  const std::vector<Value>& LoopItems(const Stmt& stmt, const Value& iterated);
  void Assign(const Expr* target, const Value& value);

  // Expressions: jinja_eval_expr.cc
  Value Eval(const Expr* expr);
  Value EvalLeaf(const Expr* expr);
  Value EvalName(const Expr* expr);
  Value EvalDisplay(const Expr* expr);
  Value Apply(const Expr* expr, const Value& left);
  Value ApplyCompare(const Expr* expr, const Value& left);
  Value ApplyConcat(const Expr* expr, const Value& left);
  Value ApplyCondition(const Expr* expr, const Value& test);
  Value ApplyItem(const Expr* expr, const Value& left);
  Value ApplyFilter(const Expr* expr, const Value& left);
  Value ApplyTest(const Expr* expr, const Value& left);

  // Calls: jinja_eval_call.cc
  Args EvalArgs(const Expr* expr);
  Value Call(const Value& callee, const Args& args);
  Value CallMacro(const Macro& macro, const Args& args);
  void BindParameters(const Stmt& definition, const Args& args, Scope* scope);
  Value CallLoop(const Loop& loop, const Args& args);
  void ExecCallBlock(const Stmt& stmt);

  Runtime& runtime_;
  Scope* scope_;
  TextOut* out_ = nullptr;
  Value captured_;                  // the text that ExprKind::kCaptured stands for
  std::vector<const Expr*> spine_;  // the left operands being walked
  size_t position_ = 0;
};

}  // namespace inference::jinja
