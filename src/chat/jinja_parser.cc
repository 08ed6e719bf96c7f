#include "chat/jinja_parser.h"

#include "chat/jinja_expr_parser.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_lexer.h"
#include "chat/jinja_runtime.h"
#include "util/error.h"

namespace inference::jinja {

namespace {

class StmtParser final : public ExprParser {
 public:
  using ExprParser::ExprParser;

  void Run() {
    program_.body = ParseBlock({});
    FailOnUnknown();
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  Block ParseBlock(Names ends);  // up to the tag that begins with one of `ends`
  Block ParseBody(Names ends);   // the same, after the %} of the opening tag
  Block ParseBodyAndEnd(std::string_view end);
  const Stmt* ParseStatement();
  const Stmt* ParseIf(Stmt* stmt);
  const Stmt* ParseFor(Stmt* stmt);
  const Stmt* ParseSet(Stmt* stmt);
  const Stmt* ParseWith(Stmt* stmt);
  const Stmt* ParseMacro(Stmt* stmt);
  const Stmt* ParseCallBlock(Stmt* stmt);
  const Stmt* ParseFilterBlock(Stmt* stmt);
  const Stmt* ParsePrint(Stmt* stmt);
  const Stmt* ParseJump(Stmt* stmt, StmtKind kind);
  void ParseParameters(Stmt* stmt);
  void ParseMacroBody(Stmt* stmt, std::string_view end);
  const Expr* ParseTarget(bool with_attribute);
  const Expr* ParseOneTarget(bool with_attribute);
  void OnNameRead(std::string_view name) override;

  Stmt* NewStmt(StmtKind kind, size_t offset) {
    Stmt* stmt = &program_.stmts.emplace_back();
    stmt->kind = kind;
    stmt->offset = offset;
    return stmt;
  }

  std::vector<Stmt*> macros_;  // around the current place, innermost last
  int loops_ = 0;              // around it, within the innermost macro
};

void StmtParser::OnNameRead(std::string_view name) {
  if (macros_.empty()) return;
  Stmt* macro = macros_.back();
  macro->uses_caller = macro->uses_caller || name == "caller";
  macro->uses_varargs = macro->uses_varargs || name == "varargs";
  macro->uses_kwargs = macro->uses_kwargs || name == "kwargs";
}

Block StmtParser::ParseBlock(Names ends) {
  const DepthGuard guard(depth_);
  Block block;
  while (Now().kind != TokenKind::kEnd) {
    const Token& token = Take();
    if (token.kind == TokenKind::kText) {
      Stmt* text = NewStmt(StmtKind::kText, token.offset);
      text->text = token.text;
      block.push_back(text);
    } else if (token.kind == TokenKind::kVariableBegin) {
      Stmt* print = NewStmt(StmtKind::kPrint, token.offset);
      print->value = ParseTuple(/*with_condition=*/true);
      ExpectKind(TokenKind::kVariableEnd, "'}}'");
      block.push_back(print);
    } else {
      for (const std::string_view end : ends) {
        if (IsName(end)) return block;
      }
      block.push_back(ParseStatement());
      ExpectKind(TokenKind::kBlockEnd, "'%}'");
    }
  }
  if (ends.size() > 0) FailHere(fmt::format("a tag {}", Quote(*(ends.end() - 1))));
  return block;
}

Block StmtParser::ParseBody(Names ends) {
  SkipOperator(":");
  ExpectKind(TokenKind::kBlockEnd, "'%}'");
  return ParseBlock(ends);
}

Block StmtParser::ParseBodyAndEnd(std::string_view end) {
  Block block = ParseBody({end});
  Take();
  return block;
}

const Stmt* StmtParser::ParseStatement() {
  const size_t offset = Now().offset;
  const std::string_view tag = ExpectName();
  Stmt* stmt = NewStmt(StmtKind::kText, offset);
  if (tag == "if") return ParseIf(stmt);
  if (tag == "for") return ParseFor(stmt);
  if (tag == "set") return ParseSet(stmt);
  if (tag == "macro") return ParseMacro(stmt);
  if (tag == "call") return ParseCallBlock(stmt);
  if (tag == "filter") return ParseFilterBlock(stmt);
  if (tag == "with") return ParseWith(stmt);
  if (tag == "break") return ParseJump(stmt, StmtKind::kBreak);
  if (tag == "continue") return ParseJump(stmt, StmtKind::kContinue);
  if (tag == "generation") {
    stmt->kind = StmtKind::kGeneration;
    stmt->body = ParseBodyAndEnd("endgeneration");
    return stmt;
  }
  if (tag == "print") return ParsePrint(stmt);
  for (const std::string_view other :
       {"include", "import", "from", "extends", "block", "autoescape"}) {
    if (tag == other) RaiseAt(offset, "tag {} is not supported", Quote(tag));
  }
  RaiseAt(offset, "unknown tag {}", Quote(tag));
}

const Stmt* StmtParser::ParseIf(Stmt* stmt) {
  stmt->kind = StmtKind::kIf;
  const size_t mark = UnknownMark();
  while (true) {
    const Expr* test = ParseTuple(/*with_condition=*/false);
    stmt->branches.push_back({test, ParseBody({"elif", "else", "endif"})});
    const std::string_view end = Take().text;
    if (end == "elif") continue;
    if (end == "else") stmt->branches.push_back({nullptr, ParseBodyAndEnd("endif")});
    break;
  }
  ForgiveUnknown(mark);
  return stmt;
}

const Stmt* StmtParser::ParseFor(Stmt* stmt) {
  stmt->kind = StmtKind::kFor;
  stmt->target = ParseTarget(/*with_attribute=*/false);
  ExpectName("in");
  stmt->value = ParseTuple(/*with_condition=*/false);
  if (SkipName("if")) stmt->test = ParseExpression();
  stmt->recursive = SkipName("recursive");
  ++loops_;
  stmt->body = ParseBody({"else", "endfor"});
  --loops_;
  if (Take().text == "else") stmt->otherwise = ParseBodyAndEnd("endfor");
  return stmt;
}

const Stmt* StmtParser::ParseSet(Stmt* stmt) {
  stmt->target = ParseTarget(/*with_attribute=*/true);
  if (SkipOperator("=")) {
    stmt->kind = StmtKind::kSet;
    stmt->value = ParseTuple(/*with_condition=*/true);
    return stmt;
  }
  stmt->kind = StmtKind::kSetBlock;
  stmt->value = ParseFilters(NewExpr(ExprKind::kCaptured, stmt->offset));
  stmt->body = ParseBodyAndEnd("endset");
  return stmt;
}

const Stmt* StmtParser::ParseWith(Stmt* stmt) {
  stmt->kind = StmtKind::kWith;
  while (Now().kind != TokenKind::kBlockEnd) {
    if (!stmt->parameters.empty()) ExpectOperator(",");
    const std::string_view name = ExpectName();
    ExpectOperator("=");
    stmt->parameters.push_back({name, ParseExpression()});
  }
  stmt->body = ParseBodyAndEnd("endwith");
  return stmt;
}

void StmtParser::ParseParameters(Stmt* stmt) {
  ExpectOperator("(");
  while (!IsOperator(")")) {
    if (!stmt->parameters.empty()) ExpectOperator(",");
    const size_t offset = Now().offset;
    const std::string_view name = ExpectName();
    const Expr* fallback = SkipOperator("=") ? ParseExpression() : nullptr;
    if (fallback == nullptr && !stmt->parameters.empty() &&
        stmt->parameters.back().fallback != nullptr) {
      RaiseAt(offset, "parameter {} needs a default, as the one before it", Quote(name));
    }
    stmt->parameters.push_back({name, fallback});
  }
  ExpectOperator(")");
}

void StmtParser::ParseMacroBody(Stmt* stmt, std::string_view end) {
  const int outer_loops = loops_;
  loops_ = 0;
  macros_.push_back(stmt);
  stmt->body = ParseBodyAndEnd(end);
  macros_.pop_back();
  loops_ = outer_loops;
}

const Stmt* StmtParser::ParseMacro(Stmt* stmt) {
  stmt->kind = StmtKind::kMacro;
  stmt->text = ExpectName();
  ParseParameters(stmt);
  ParseMacroBody(stmt, "endmacro");
  return stmt;
}

const Stmt* StmtParser::ParseCallBlock(Stmt* stmt) {
  stmt->kind = StmtKind::kCallBlock;
  stmt->text = "caller";
  if (IsOperator("(")) ParseParameters(stmt);
  const size_t offset = Now().offset;
  stmt->value = ParseExpression();
  if (stmt->value->kind != ExprKind::kCall) RaiseAt(offset, "call block: wanted a call");
  ParseMacroBody(stmt, "endcall");
  return stmt;
}

const Stmt* StmtParser::ParseFilterBlock(Stmt* stmt) {
  stmt->kind = StmtKind::kFilterBlock;
  stmt->value = ParseFilters(NewExpr(ExprKind::kCaptured, stmt->offset), /*first_inline=*/true);
  stmt->body = ParseBodyAndEnd("endfilter");
  return stmt;
}

const Stmt* StmtParser::ParsePrint(Stmt* stmt) {
  stmt->kind = StmtKind::kPrint;
  Expr* texts = NewExpr(ExprKind::kConcat, stmt->offset, ParseExpression());
  while (SkipOperator(",")) texts->items.push_back(ParseExpression());
  stmt->value = texts;
  return stmt;
}

const Stmt* StmtParser::ParseJump(Stmt* stmt, StmtKind kind) {
  stmt->kind = kind;
  if (loops_ == 0) RaiseAt(stmt->offset, "break or continue outside a loop");
  return stmt;
}

const Expr* StmtParser::ParseTarget(bool with_attribute) {
  const size_t offset = Now().offset;
  const Expr* first = ParseOneTarget(with_attribute);
  if (!IsOperator(",")) return first;
  Expr* tuple = NewExpr(ExprKind::kTuple, offset);
  tuple->items.push_back(first);
  while (SkipOperator(",")) {
    if (IsName("in") || Now().kind == TokenKind::kBlockEnd || IsOperator(")") || IsOperator("=")) {
      break;
    }
    tuple->items.push_back(ParseOneTarget(with_attribute));
  }
  return tuple;
}

const Expr* StmtParser::ParseOneTarget(bool with_attribute) {
  const DepthGuard guard(depth_);
  if (SkipOperator("(")) {
    const Expr* inner = ParseTarget(with_attribute);
    ExpectOperator(")");
    return inner;
  }
  const size_t offset = Now().offset;
  const std::string_view name = ExpectName();
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) RaiseAt(offset, "cannot assign to {}", Quote(name));
  }
  Expr* target = NewExpr(ExprKind::kName, offset);
  target->name = name;
  if (!with_attribute || !SkipOperator(".")) return target;
  Expr* attribute = NewExpr(ExprKind::kAttribute, offset, target);
  attribute->name = ExpectName();
  return attribute;
}

}  // namespace

void ParseProgram(Program& program) {
  StmtParser(program, Tokenize(program.source, program.texts)).Run();
}

}  // namespace inference::jinja
