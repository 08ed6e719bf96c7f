// One rendering: the arena of its values and the limits that it may not pass.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "chat/jinja_value.h"
#include "util/cancel.h"

namespace inference::jinja {

constexpr int kMaxDepth = 100;             // nested blocks, expressions, macro calls
constexpr uint64_t kMaxSteps = 1'000'000;  // one operation, list item or 64 bytes of text each
constexpr size_t kMaxTextBytes = 4 << 20;  // of the output and of any text on the way
constexpr int64_t kMaxRenderNanos = 200'000'000;  // of this thread's processor time
constexpr int64_t kMaxRangeItems = 100'000;       // as Jinja's sandbox

class Runtime {
 public:
  // `effort` times the usual steps and time are allowed; `cancel` may be null.
  explicit Runtime(int64_t effort = 1, const CancelFlag* cancel = nullptr);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  int depth = 0;  // of everything that recurses, for DepthGuard

  void Charge(uint64_t steps) {
    steps_ += steps;
    if (steps_ >= next_check_) Check();
  }
  void ChargeText(size_t bytes) { Charge(1 + bytes / 64); }

  std::string_view Keep(std::string text);  // the copy lives until rendering ends
  Value Text(std::string text) { return Value(Keep(std::move(text))); }
  Value UndefinedWith(std::string message) { return Value(Undefined{Keep(std::move(message))}); }
  List* NewList(Sequence sequence = Sequence::kList);
  Value Tuple(std::initializer_list<Value> items);
  Dict* NewDict();
  Space* NewSpace();
  Scope* NewScope(Scope* parent);
  Macro* NewMacro(const Stmt* definition, Scope* scope);
  Loop* NewLoop();
  const Method* NewMethod(Value self, const MethodInfo* info);
  Cycler* NewCycler();
  Joiner* NewJoiner();

  void Append(List* list, Value value) {
    Charge(1);
    list->items.push_back(value);
  }

 private:
  void Check();  // raises where a limit is passed, throws CANCELLED

  uint64_t steps_ = 0;
  int64_t effort_;
  const CancelFlag* cancel_;
  uint64_t next_check_ = 256;
  int64_t started_ = 0;  // nanoseconds of the thread's clock
  std::deque<std::string> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Space> spaces_;
  std::deque<Scope> scopes_;
  std::deque<Macro> macros_;
  std::deque<Loop> loops_;
  std::deque<Method> methods_;
  std::deque<Cycler> cyclers_;
  std::deque<Joiner> joiners_;
};

// Text that grows under the limits: the output, a captured block, a printed value.
class TextOut {
 public:
  explicit TextOut(Runtime& runtime) : runtime_(&runtime) {}
  void Add(std::string_view text);
  void Add(char c) { Add(std::string_view(&c, 1)); }
  std::string Take() { return std::move(text_); }
  size_t size() const { return text_.size(); }

 private:
  Runtime* runtime_;
  std::string text_;
};

// Counts one level for as long as it lives.
class DepthGuard {
 public:
  explicit DepthGuard(int& depth);  // raises past kMaxDepth
  ~DepthGuard() { --*depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int* depth_;
};

}  // namespace inference::jinja
