// The parsed template. Nodes live in the Program's arena and point at each other: destroying them
// takes no recursion. Offsets are bytes in Program::source.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja_value.h"

namespace inference::jinja {

struct FilterInfo;
struct TestInfo;

enum class ExprKind : uint8_t {
  kConst,     // constant
  kName,      // name
  kCaptured,  // the text of the block that a filter chain is applied to
  kList,
  kTuple,
  kDict,   // items: key, value, key, value, ...
  kSlice,  // items: start, stop, step, each possibly null; only as the index of kItem
  kNot,
  kNegate,
  kPlus,
  kAnd,
  kOr,
  kBinary,     // items: the right operand
  kConcat,     // items: the operands after the first
  kCompare,    // ops and items: a < b < c
  kCondition,  // left: the test; items: value if true, value if false (possibly null)
  kAttribute,  // left.name
  kItem,       // left[items[0]]
  kCall,
  kFilter,
  kTest,
};

enum class Op : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expr {
  ExprKind kind = ExprKind::kConst;
  Op op = Op::kAdd;  // kBinary
  size_t offset = 0;
  // The operand that is evaluated first. Chains of it (a.b[c]|d + e) may be long, so they are
  // walked in a loop; only the other operands are evaluated recursively.
  const Expr* left = nullptr;
  Value constant;
  std::string_view name;
  std::vector<const Expr*>
      items;            // operands; for calls, filters and tests the arguments by position
  std::vector<Op> ops;  // kCompare
  std::vector<std::pair<std::string_view, const Expr*>> named;  // arguments by name
  const Expr* star = nullptr;                                   // *expression
  const Expr* star_star = nullptr;                              // **expression
  const FilterInfo* filter = nullptr;  // null: unknown, an error where it is reached
  const TestInfo* test = nullptr;
};

using Block = std::vector<const Stmt*>;

enum class StmtKind : uint8_t {
  kText,
  kPrint,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kWith,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kGeneration,
  kBreak,
  kContinue,
};

struct Branch {
  const Expr* test;  // null for else
  Block body;
};

struct Parameter {
  std::string_view name;
  const Expr* fallback;  // null: none
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  size_t offset = 0;
  std::string_view text;         // kText; the name of kMacro
  const Expr* target = nullptr;  // kFor, kSet, kSetBlock: a name, a tuple, or NAME.ATTRIBUTE
  const Expr* value = nullptr;   // printed, assigned, iterated, called; the filters of a block
  const Expr* test = nullptr;    // kFor: for ... if test
  Block body;
  Block otherwise;                    // kFor: else
  std::vector<Branch> branches;       // kIf
  std::vector<Parameter> parameters;  // kMacro, kCallBlock; kWith: name and value
  bool recursive = false;             // kFor
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;  // kMacro, kCallBlock
};

struct Program {
  std::string source;  // newlines normalised
  std::deque<std::string> texts;
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  Block body;
};

}  // namespace inference::jinja
