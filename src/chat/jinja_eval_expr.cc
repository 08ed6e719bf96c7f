#include "chat/jinja_eval.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_globals.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_tests.h"
#include "util/error.h"

namespace inference::jinja {

Value Evaluator::Eval(const Expr* expr) {
  if (expr->kind == ExprKind::kConst) return expr->constant;
  if (expr->kind == ExprKind::kName) return EvalName(expr);
  const DepthGuard guard(runtime_.depth);
  const size_t base = spine_.size();
  for (; expr->left != nullptr; expr = expr->left) spine_.push_back(expr);
  Value value = EvalLeaf(expr);
  while (spine_.size() > base) {
    const Expr* next = spine_.back();
    spine_.pop_back();
    position_ = next->offset;
    runtime_.Charge(1);
    value = Apply(next, value);
  }
  return value;
}

Value Evaluator::EvalLeaf(const Expr* expr) {
  switch (expr->kind) {
    case ExprKind::kConst:
      return expr->constant;
    case ExprKind::kName:
      return EvalName(expr);
    case ExprKind::kCaptured:
      return captured_;
    default:
      return EvalDisplay(expr);
  }
}

Value Evaluator::EvalName(const Expr* expr) {
  if (const Value* found = scope_->Find(expr->name)) return *found;
  if (const Builtin* global = FindGlobal(expr->name)) return Value(global);
  if (expr->name == "self") {
    Space* self = runtime_.NewSpace();
    self->is_self = true;
    return Value(self);
  }
  if (expr->name == "lipsum") {
    position_ = expr->offset;
    Raise("function 'lipsum' is not supported");
  }
  return runtime_.UndefinedWith(fmt::format("{} is undefined", QuoteLikePython(expr->name)));
}

Value Evaluator::EvalDisplay(const Expr* expr) {
  if (expr->kind == ExprKind::kDict) {
    Dict* dict = runtime_.NewDict();
    for (size_t i = 0; i < expr->items.size(); i += 2) {
      const Value key = Eval(expr->items[i]);
      const Value value = Eval(expr->items[i + 1]);
      position_ = expr->offset;
      SetKey(runtime_, dict, key, value);
    }
    return Value(dict);
  }
  List* list =
      runtime_.NewList(expr->kind == ExprKind::kTuple ? Sequence::kTuple : Sequence::kList);
  for (const Expr* item : expr->items) runtime_.Append(list, Eval(item));
  return Value(list);
}

// `left` is the value of expr->left; the other operands are evaluated here, when they are needed.
Value Evaluator::Apply(const Expr* expr, const Value& left) {
  switch (expr->kind) {
    case ExprKind::kNot:
      return Value(!IsTrue(left));
    case ExprKind::kNegate:
      return Negate(left, /*minus=*/true);
    case ExprKind::kPlus:
      return Negate(left, /*minus=*/false);
    case ExprKind::kAnd:
      return IsTrue(left) ? Eval(expr->items[0]) : left;
    case ExprKind::kOr:
      return IsTrue(left) ? left : Eval(expr->items[0]);
    case ExprKind::kBinary: {
      const Value right = Eval(expr->items[0]);
      position_ = expr->offset;
      return Arithmetic(runtime_, expr->op, left, right);
    }
    case ExprKind::kConcat:
      return ApplyConcat(expr, left);
    case ExprKind::kCompare:
      return ApplyCompare(expr, left);
    case ExprKind::kCondition:
      return ApplyCondition(expr, left);
    case ExprKind::kAttribute:
      return GetAttribute(runtime_, left, expr->name);
    case ExprKind::kItem:
      return ApplyItem(expr, left);
    case ExprKind::kFilter:
      return ApplyFilter(expr, left);
    case ExprKind::kTest:
      return ApplyTest(expr, left);
    default:
      break;
  }
  const Args args = EvalArgs(expr);
  position_ = expr->offset;
  return Call(left, args);
}

Value Evaluator::ApplyCompare(const Expr* expr, const Value& left) {
  Value current = left;
  for (size_t i = 0; i < expr->items.size(); ++i) {
    const Value right = Eval(expr->items[i]);
    position_ = expr->offset;
    if (!Compare(runtime_, expr->ops[i], current, right)) return Value(false);
    current = right;
  }
  return Value(true);
}

Value Evaluator::ApplyConcat(const Expr* expr, const Value& left) {
  std::string text(Str(runtime_, left));
  for (const Expr* item : expr->items) {
    const std::string_view more = Str(runtime_, Eval(item));
    if (more.size() > kMaxTextBytes - text.size())
      Raise("text of more than {} bytes", kMaxTextBytes);
    text += more;
  }
  return runtime_.Text(std::move(text));
}

Value Evaluator::ApplyCondition(const Expr* expr, const Value& test) {
  if (IsTrue(test)) return Eval(expr->items[0]);
  if (expr->items[1] != nullptr) return Eval(expr->items[1]);
  return runtime_.UndefinedWith(
      "the inline if-expression evaluated to false and no else section was defined");
}

Value Evaluator::ApplyItem(const Expr* expr, const Value& left) {
  const Expr* index = expr->items[0];
  if (index->kind != ExprKind::kSlice) {
    const Value key = Eval(index);
    position_ = expr->offset;
    return GetItem(runtime_, left, key);
  }
  const auto part = [&](size_t i) {
    return index->items[i] == nullptr ? Value() : Eval(index->items[i]);
  };
  const Value start = part(0), stop = part(1), step = part(2);
  position_ = expr->offset;
  return GetSlice(runtime_, left, start, stop, step);
}

Value Evaluator::ApplyFilter(const Expr* expr, const Value& left) {
  const Args args = EvalArgs(expr);
  position_ = expr->offset;
  if (expr->filter == nullptr) Raise("{}", NoFilterMessage(expr->name));
  if (left.IsString()) runtime_.ChargeText(left.text().size());
  return expr->filter->apply(runtime_, left, args);
}

Value Evaluator::ApplyTest(const Expr* expr, const Value& left) {
  const Args args = EvalArgs(expr);
  position_ = expr->offset;
  if (expr->test == nullptr) Raise("no test named {}", Quote(expr->name));
  if (left.IsString()) runtime_.ChargeText(left.text().size());
  return Value(expr->test->apply(runtime_, left, args));
}

}  // namespace inference::jinja
