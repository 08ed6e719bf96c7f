#include "chat/jinja_runtime.h"

#include <time.h>

#include "chat/jinja_fault.h"

namespace inference::jinja {

namespace {

// Processor time, not wall time: a busy machine must not make a good template fail.
int64_t ThreadNanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Runtime::Runtime(int64_t effort, const CancelFlag* cancel)
    : effort_(effort), cancel_(cancel), started_(ThreadNanos()) {}

void Runtime::Check() {
  ThrowIfCancelled(cancel_, "chat template");
  const uint64_t max_steps = kMaxSteps * static_cast<uint64_t>(effort_);
  if (steps_ > max_steps) Raise("more than {} steps", max_steps);
  const int64_t max_nanos = kMaxRenderNanos * effort_;
  if (ThreadNanos() - started_ > max_nanos) {
    Raise("more than {} ms of processor time", max_nanos / 1'000'000);
  }
  next_check_ = steps_ + 256;
}

std::string_view Runtime::Keep(std::string text) {
  if (text.size() > kMaxTextBytes) Raise("text of more than {} bytes", kMaxTextBytes);
  ChargeText(text.size());
  return texts_.emplace_back(std::move(text));
}

List* Runtime::NewList(Sequence sequence) {
  Charge(2);
  List* list = &lists_.emplace_back();
  list->sequence = sequence;
  return list;
}

Value Runtime::Tuple(std::initializer_list<Value> items) {
  List* tuple = NewList(Sequence::kTuple);
  tuple->items = items;
  return Value(tuple);
}

Dict* Runtime::NewDict() {
  Charge(2);
  return &dicts_.emplace_back();
}

Space* Runtime::NewSpace() {
  Charge(2);
  return &spaces_.emplace_back();
}

Scope* Runtime::NewScope(Scope* parent) {
  Charge(2);
  Scope* scope = &scopes_.emplace_back();
  scope->parent = parent;
  return scope;
}

Macro* Runtime::NewMacro(const Stmt* definition, Scope* scope) {
  Charge(1);
  return &macros_.emplace_back(Macro{definition, scope});
}

Loop* Runtime::NewLoop() {
  Charge(2);
  return &loops_.emplace_back();
}

const Method* Runtime::NewMethod(Value self, const MethodInfo* info) {
  Charge(1);
  return &methods_.emplace_back(Method{self, info});
}

Cycler* Runtime::NewCycler() {
  Charge(2);
  return &cyclers_.emplace_back();
}

Joiner* Runtime::NewJoiner() {
  Charge(2);
  return &joiners_.emplace_back();
}

void TextOut::Add(std::string_view text) {
  runtime_->ChargeText(text.size());
  if (text.size() > kMaxTextBytes - text_.size()) {
    Raise("output of more than {} bytes", kMaxTextBytes);
  }
  text_ += text;
}

DepthGuard::DepthGuard(int& depth) : depth_(&depth) {
  if (depth >= kMaxDepth) Raise("depth > {}", kMaxDepth);
  ++depth;
}

}  // namespace inference::jinja
