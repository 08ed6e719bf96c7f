// The expressions of Jinja's grammar. Operators are resolved with an explicit stack: only brackets,
// conditions and call arguments recurse, and they are counted.
#pragma once

#include <string_view>
#include <vector>

#include "chat/jinja_ast.h"
#include "chat/jinja_lexer.h"

namespace inference::jinja {

class ExprParser {
 public:
  ExprParser(Program& program, std::vector<Token> tokens)
      : program_(program), tokens_(std::move(tokens)) {}

 protected:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool IsName(std::string_view name) const;
  bool IsOperator(std::string_view op) const;
  bool SkipName(std::string_view name);
  bool SkipOperator(std::string_view op);
  std::string_view ExpectName();
  void ExpectName(std::string_view name);
  void ExpectOperator(std::string_view op);
  void ExpectKind(TokenKind kind, std::string_view what);
  [[noreturn]] void FailHere(std::string_view wanted) const;  // "unexpected X, wanted ..."

  Expr* NewExpr(ExprKind kind, size_t offset, const Expr* left = nullptr);

  const Expr* ParseExpression();  // with a condition: a if b else c
  const Expr* ParseOperators();   // without
  const Expr* ParseTuple(bool with_condition, bool explicit_parentheses = false);
  const Expr* ParsePrimary();
  const Expr* ParseFilters(const Expr* left, bool first_inline = false);  // |name(args)...

  // Filters and tests that do not exist are an error of the whole template, unless they stand under
  // a condition: then they are one only where they are reached.
  size_t UnknownMark() const { return unknown_.size(); }
  void ForgiveUnknown(size_t mark) { unknown_.resize(mark); }
  void FailOnUnknown() const;

  virtual void OnNameRead(std::string_view /*name*/) {}  // for caller, varargs and kwargs
  ~ExprParser() = default;

  Program& program_;
  int depth_ = 0;

 private:
  struct Operators;  // the operators that wait for their right operand

  const Expr* ParseUnary();
  const Expr* ParsePostfix(const Expr* left);
  const Expr* ParsePostfixAndFilters(const Expr* left);
  const Expr* ParseSubscript(const Expr* left);
  const Expr* ParseSubscribed();
  const Expr* ParseFilter(const Expr* left);
  const Expr* ParseTest(const Expr* left);
  const Expr* ParseName();
  const Expr* ParseStrings();
  const Expr* ParseList();
  const Expr* ParseDict();
  void ParseArguments(Expr* call);
  bool TestTakesBareArgument() const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  std::vector<const Expr*> unknown_;
};

}  // namespace inference::jinja
