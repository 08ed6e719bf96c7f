// Literals, names, displays and call arguments.
#include "chat/jinja_expr_parser.h"
#include "chat/jinja_fault.h"
#include "util/error.h"

namespace inference::jinja {

const Expr* ExprParser::ParsePrimary() {
  const Token& token = Now();
  switch (token.kind) {
    case TokenKind::kName:
      return ParseName();
    case TokenKind::kString:
      return ParseStrings();
    case TokenKind::kInteger:
    case TokenKind::kFloat: {
      Take();
      Expr* constant = NewExpr(ExprKind::kConst, token.offset);
      constant->constant =
          token.kind == TokenKind::kInteger ? Value(token.integer) : Value(token.number);
      return constant;
    }
    default:
      break;
  }
  if (IsOperator("[")) return ParseList();
  if (IsOperator("{")) return ParseDict();
  if (!SkipOperator("(")) FailHere("an expression");
  const Expr* inner = ParseTuple(/*with_condition=*/true, /*explicit_parentheses=*/true);
  ExpectOperator(")");
  return inner;
}

const Expr* ExprParser::ParseName() {
  const Token& token = Take();
  const std::string_view name = token.text;
  const bool is_true = name == "true" || name == "True";
  if (is_true || name == "false" || name == "False") {
    Expr* constant = NewExpr(ExprKind::kConst, token.offset);
    constant->constant = Value(is_true);
    return constant;
  }
  if (name == "none" || name == "None") return NewExpr(ExprKind::kConst, token.offset);
  OnNameRead(name);
  Expr* expr = NewExpr(ExprKind::kName, token.offset);
  expr->name = name;
  return expr;
}

const Expr* ExprParser::ParseStrings() {  // literals that follow each other are one
  const Token& first = Take();
  Expr* constant = NewExpr(ExprKind::kConst, first.offset);
  if (Now().kind != TokenKind::kString) {
    constant->constant = Value(first.text);
    return constant;
  }
  std::string text(first.text);
  while (Now().kind == TokenKind::kString) text += Take().text;
  constant->constant = Value(std::string_view(program_.texts.emplace_back(std::move(text))));
  return constant;
}

// One expression, or a tuple where there are commas. It ends at a closing bracket or tag, or, in a
// for statement, at "recursive".
const Expr* ExprParser::ParseTuple(bool with_condition, bool explicit_parentheses) {
  const size_t offset = Now().offset;
  std::vector<const Expr*> items;
  bool is_tuple = false;
  while (true) {
    if (is_tuple) ExpectOperator(",");
    if (Now().kind == TokenKind::kVariableEnd || Now().kind == TokenKind::kBlockEnd ||
        IsOperator(")") || (!with_condition && IsName("recursive"))) {
      break;
    }
    items.push_back(with_condition ? ParseExpression() : ParseOperators());
    if (!IsOperator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return items[0];
  if (!is_tuple && !explicit_parentheses) FailHere("an expression");
  Expr* tuple = NewExpr(ExprKind::kTuple, offset);
  tuple->items = std::move(items);
  return tuple;
}

const Expr* ExprParser::ParseList() {
  Expr* list = NewExpr(ExprKind::kList, Take().offset);
  while (!IsOperator("]")) {
    if (!list->items.empty()) ExpectOperator(",");
    if (IsOperator("]")) break;
    list->items.push_back(ParseExpression());
  }
  ExpectOperator("]");
  return list;
}

const Expr* ExprParser::ParseDict() {
  Expr* dict = NewExpr(ExprKind::kDict, Take().offset);
  while (!IsOperator("}")) {
    if (!dict->items.empty()) ExpectOperator(",");
    if (IsOperator("}")) break;
    dict->items.push_back(ParseExpression());
    ExpectOperator(":");
    dict->items.push_back(ParseExpression());
  }
  ExpectOperator("}");
  return dict;
}

void ExprParser::ParseArguments(Expr* call) {
  const size_t offset = Now().offset;
  const auto ensure = [&](bool valid) {
    if (!valid) RaiseAt(offset, "invalid order of call arguments");
  };
  ExpectOperator("(");
  bool first = true;
  while (!IsOperator(")")) {
    if (!first) {
      ExpectOperator(",");
      if (IsOperator(")")) break;
    }
    first = false;
    if (SkipOperator("*")) {
      ensure(call->star == nullptr && call->star_star == nullptr);
      call->star = ParseExpression();
    } else if (SkipOperator("**")) {
      ensure(call->star_star == nullptr);
      call->star_star = ParseExpression();
    } else if (Now().kind == TokenKind::kName && Next().kind == TokenKind::kOperator &&
               Next().text == "=") {
      ensure(call->star_star == nullptr);
      const std::string_view name = Take().text;
      Take();
      for (const auto& [other, value] : call->named) ensure(other != name);
      call->named.emplace_back(name, ParseExpression());
    } else {
      ensure(call->star == nullptr && call->star_star == nullptr && call->named.empty());
      call->items.push_back(ParseExpression());
    }
  }
  ExpectOperator(")");
}

}  // namespace inference::jinja
