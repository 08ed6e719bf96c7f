#include "chat/jinja_expr_parser.h"

#include <optional>

#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_runtime.h"
#include "chat/jinja_tests.h"
#include "util/error.h"

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

bool ExprParser::IsName(std::string_view name) const {
  return Now().kind == TokenKind::kName && Now().text == name;
}

bool ExprParser::IsOperator(std::string_view op) const {
  return Now().kind == TokenKind::kOperator && Now().text == op;
}

bool ExprParser::SkipName(std::string_view name) {
  if (!IsName(name)) return false;
  Take();
  return true;
}

bool ExprParser::SkipOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  Take();
  return true;
}

std::string_view ExprParser::ExpectName() {
  if (Now().kind != TokenKind::kName) FailHere("a name");
  return Take().text;
}

void ExprParser::ExpectName(std::string_view name) {
  if (!SkipName(name)) FailHere(name);
}

void ExprParser::ExpectOperator(std::string_view op) {
  if (!SkipOperator(op)) FailHere(op);
}

void ExprParser::ExpectKind(TokenKind kind, std::string_view what) {
  if (Now().kind != kind) FailHere(what);
  Take();
}

void ExprParser::FailHere(std::string_view wanted) const {
  const Token& token = Now();
  switch (token.kind) {
    case TokenKind::kEnd:
      RaiseAt(token.offset, "unexpected end of template, wanted {}", wanted);
    case TokenKind::kVariableEnd:
      RaiseAt(token.offset, "unexpected '}}}}', wanted {}", wanted);
    case TokenKind::kBlockEnd:
      RaiseAt(token.offset, "unexpected '%}}', wanted {}", wanted);
    default:
      RaiseAt(token.offset, "unexpected {}, wanted {}", Quote(token.text), wanted);
  }
}

Expr* ExprParser::NewExpr(ExprKind kind, size_t offset, const Expr* left) {
  Expr* expr = &program_.exprs.emplace_back();
  expr->kind = kind;
  expr->offset = offset;
  expr->left = left;
  return expr;
}

void ExprParser::FailOnUnknown() const {
  if (unknown_.empty()) return;
  const Expr* expr = unknown_.front();
  RaiseAt(expr->offset, "no {} named {}", expr->kind == ExprKind::kFilter ? "filter" : "test",
          Quote(expr->name));
}

const Expr* ExprParser::ParseExpression() {
  const DepthGuard guard(depth_);
  const size_t mark = UnknownMark();
  const Expr* value = ParseOperators();
  while (IsName("if")) {
    const size_t offset = Take().offset;
    Expr* condition = NewExpr(ExprKind::kCondition, offset, ParseOperators());
    const Expr* otherwise = SkipName("else") ? ParseExpression() : nullptr;
    condition->items = {value, otherwise};
    ForgiveUnknown(mark);
    value = condition;
  }
  return value;
}

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

const Expr* ExprParser::ParseUnary() {
  std::vector<const Token*> signs;  // innermost last
  while (IsOperator("-") || IsOperator("+")) signs.push_back(&Take());
  const Expr* value = ParsePostfix(ParsePrimary());
  for (; !signs.empty(); signs.pop_back()) {
    const bool minus = signs.back()->text == "-";
    value = NewExpr(minus ? ExprKind::kNegate : ExprKind::kPlus, signs.back()->offset, value);
  }
  return ParsePostfixAndFilters(value);
}

const Expr* ExprParser::ParsePostfix(const Expr* left) {
  while (true) {
    if (IsOperator(".") || IsOperator("[")) {
      left = ParseSubscript(left);
    } else if (IsOperator("(")) {
      Expr* call = NewExpr(ExprKind::kCall, Now().offset, left);
      ParseArguments(call);
      left = call;
    } else {
      return left;
    }
  }
}

const Expr* ExprParser::ParsePostfixAndFilters(const Expr* left) {
  while (true) {
    if (IsOperator("|")) {
      Take();
      left = ParseFilter(left);
    } else if (IsName("is")) {
      left = ParseTest(left);
    } else if (IsOperator("(")) {
      Expr* call = NewExpr(ExprKind::kCall, Now().offset, left);
      ParseArguments(call);
      left = call;
    } else {
      return left;
    }
  }
}

const Expr* ExprParser::ParseFilters(const Expr* left, bool first_inline) {
  if (first_inline) left = ParseFilter(left);
  while (SkipOperator("|")) left = ParseFilter(left);
  return left;
}

const Expr* ExprParser::ParseFilter(const Expr* left) {
  Expr* filter = NewExpr(ExprKind::kFilter, Now().offset, left);
  filter->name = ExpectName();
  if (IsOperator("(")) ParseArguments(filter);
  filter->filter = FindFilter(filter->name);
  if (filter->filter == nullptr) unknown_.push_back(filter);
  return filter;
}

bool ExprParser::TestTakesBareArgument() const {
  switch (Now().kind) {
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return true;
    case TokenKind::kName:
      return !IsName("else") && !IsName("or") && !IsName("and");
    default:
      return IsOperator("[") || IsOperator("{");
  }
}

const Expr* ExprParser::ParseTest(const Expr* left) {
  const size_t offset = Take().offset;
  const bool negated = SkipName("not");
  Expr* test = NewExpr(ExprKind::kTest, Now().offset, left);
  test->name = ExpectName();
  if (IsOperator("(")) {
    ParseArguments(test);
  } else if (TestTakesBareArgument()) {
    if (IsName("is")) RaiseAt(Now().offset, "tests with 'is' cannot be chained");
    const DepthGuard guard(depth_);
    test->items.push_back(ParsePostfix(ParsePrimary()));
  }
  test->test = FindTest(test->name);
  if (test->test == nullptr) unknown_.push_back(test);
  return negated ? NewExpr(ExprKind::kNot, offset, test) : test;
}

const Expr* ExprParser::ParseSubscript(const Expr* left) {
  const Token& open = Take();
  if (open.text == ".") {
    const Token& token = Take();
    if (token.kind == TokenKind::kName) {
      Expr* attribute = NewExpr(ExprKind::kAttribute, token.offset, left);
      attribute->name = token.text;
      return attribute;
    }
    if (token.kind != TokenKind::kInteger) {
      RaiseAt(token.offset, "unexpected {} after '.', wanted a name or number", Quote(token.text));
    }
    Expr* index = NewExpr(ExprKind::kConst, token.offset);
    index->constant = Value(token.integer);
    Expr* item = NewExpr(ExprKind::kItem, open.offset, left);
    item->items.push_back(index);
    return item;
  }
  std::vector<const Expr*> indices;
  while (!IsOperator("]")) {
    if (!indices.empty()) ExpectOperator(",");
    indices.push_back(ParseSubscribed());
  }
  ExpectOperator("]");
  Expr* item = NewExpr(ExprKind::kItem, open.offset, left);
  if (indices.size() == 1) {
    item->items = std::move(indices);
  } else {
    Expr* tuple = NewExpr(ExprKind::kTuple, open.offset);
    for (const Expr* index : indices) {
      if (index->kind == ExprKind::kSlice) RaiseAt(index->offset, "a slice cannot be in a tuple");
    }
    tuple->items = std::move(indices);
    item->items.push_back(tuple);
  }
  return item;
}

const Expr* ExprParser::ParseSubscribed() {
  const size_t offset = Now().offset;
  const Expr* start = nullptr;
  if (!IsOperator(":")) {
    start = ParseExpression();
    if (!IsOperator(":")) return start;
  }
  ExpectOperator(":");
  const auto part = [&]() -> const Expr* {
    return IsOperator(":") || IsOperator("]") || IsOperator(",") ? nullptr : ParseExpression();
  };
  const Expr* stop = part();
  const Expr* step = SkipOperator(":") ? part() : nullptr;
  Expr* slice = NewExpr(ExprKind::kSlice, offset);
  slice->items = {start, stop, step};
  return slice;
}

}  // namespace inference::jinja
