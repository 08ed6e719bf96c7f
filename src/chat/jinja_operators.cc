// Binary operators and "not", by precedence.
#include <optional>

#include "chat/jinja_expr_parser.h"

namespace inference::jinja {

namespace {

enum Precedence : int { kOr = 1, kAnd, kNot, kCompare, kSum, kJoin, kProduct, kPowers };

struct OperatorInfo {
  std::string_view text;
  int precedence;
  ExprKind kind;
  Op op;
};

constexpr OperatorInfo kInfos[] = {
    {"or", kOr, ExprKind::kOr, Op::kAdd},
    {"and", kAnd, ExprKind::kAnd, Op::kAdd},
    {"==", kCompare, ExprKind::kCompare, Op::kEqual},
    {"!=", kCompare, ExprKind::kCompare, Op::kNotEqual},
    {"<", kCompare, ExprKind::kCompare, Op::kLess},
    {"<=", kCompare, ExprKind::kCompare, Op::kLessEqual},
    {">", kCompare, ExprKind::kCompare, Op::kGreater},
    {">=", kCompare, ExprKind::kCompare, Op::kGreaterEqual},
    {"in", kCompare, ExprKind::kCompare, Op::kIn},
    {"not", kCompare, ExprKind::kCompare, Op::kNotIn},  // only where "in" follows
    {"+", kSum, ExprKind::kBinary, Op::kAdd},
    {"-", kSum, ExprKind::kBinary, Op::kSubtract},
    {"~", kJoin, ExprKind::kConcat, Op::kAdd},
    {"*", kProduct, ExprKind::kBinary, Op::kMultiply},
    {"/", kProduct, ExprKind::kBinary, Op::kDivide},
    {"//", kProduct, ExprKind::kBinary, Op::kFloorDivide},
    {"%", kProduct, ExprKind::kBinary, Op::kModulo},
    {"**", kPowers, ExprKind::kBinary, Op::kPower},  // groups to the left in Jinja
};

constexpr OperatorInfo kNotInfo = {"not", kNot, ExprKind::kNot, Op::kAdd};

const OperatorInfo* InfoOf(const Token& token, const Token& next) {
  if (token.kind != TokenKind::kName && token.kind != TokenKind::kOperator) return nullptr;
  for (const OperatorInfo& info : kInfos) {
    if (info.text != token.text) continue;
    if (info.op == Op::kNotIn && !(next.kind == TokenKind::kName && next.text == "in")) continue;
    return &info;
  }
  return nullptr;
}

}  // namespace

struct ExprParser::Operators {
  struct Pending {
    const OperatorInfo* info;
    size_t offset;
    bool continues;  // a comparison that extends the chain on its left
  };
  std::vector<const Expr*> operands;
  std::vector<Pending> pending;

  // Builds the node of the last pending operator.
  void Reduce(ExprParser& parser) {
    const Pending last = pending.back();
    pending.pop_back();
    const Expr* right = operands.back();
    if (last.info->kind == ExprKind::kNot) {
      operands.back() = parser.NewExpr(ExprKind::kNot, last.offset, right);
      return;
    }
    operands.pop_back();
    const Expr*& left = operands.back();
    if (last.continues) {
      Expr* chain = const_cast<Expr*>(left);  // made by this parser a moment ago
      chain->items.push_back(right);
      if (last.info->kind == ExprKind::kCompare) chain->ops.push_back(last.info->op);
      return;
    }
    Expr* node = parser.NewExpr(last.info->kind, last.offset, left);
    node->op = last.info->op;
    node->items.push_back(right);
    if (last.info->kind == ExprKind::kCompare) node->ops.push_back(last.info->op);
    left = node;
  }
};

const Expr* ExprParser::ParseOperators() {
  Operators stack;
  while (true) {
    // "not" may stand where a whole comparison may: first, or after and, or, not.
    while (IsName("not") &&
           (stack.pending.empty() || stack.pending.back().info->precedence <= kNot)) {
      stack.pending.push_back({&kNotInfo, Take().offset, false});
    }
    stack.operands.push_back(ParseUnary());
    const OperatorInfo* info = InfoOf(Now(), Next());
    const int precedence = info == nullptr ? 0 : info->precedence;
    std::optional<ExprKind> reduced;
    while (!stack.pending.empty() && stack.pending.back().info->precedence >= precedence) {
      reduced = stack.pending.back().info->kind;
      stack.Reduce(*this);
    }
    if (info == nullptr) return stack.operands.back();
    const bool chains = info->kind == ExprKind::kCompare || info->kind == ExprKind::kConcat;
    stack.pending.push_back({info, Take().offset, chains && reduced == info->kind});
    if (info->op == Op::kNotIn) Take();
  }
}

}  // namespace inference::jinja
