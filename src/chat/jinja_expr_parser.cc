#include "chat/jinja_expr_parser.h"

#include "chat/jinja_fault.h"
#include "chat/jinja_filters.h"
#include "chat/jinja_runtime.h"
#include "chat/jinja_tests.h"
#include "util/error.h"

namespace inference::jinja {

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
  if (expr->kind == ExprKind::kFilter) RaiseAt(expr->offset, "{}", NoFilterMessage(expr->name));
  RaiseAt(expr->offset, "no test named {}", Quote(expr->name));
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
