// Which of the calls that wait for the same network share its next step, and what each gets of the
// step's results.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <optional>
#include <vector>

#include "engine/step_call.h"

namespace inference {

// Tokens of prompts in a step beside rows that decode: it should not take longer than these like to
// wait.
constexpr int64_t kPromptBesideDecode = 128;

// A call from its arrival to its end.
struct PendingCall {
  explicit PendingCall(const StepCall& of);
  bool is_cancelled() const { return call.cancel != nullptr && call.cancel->IsSet(); }
  bool decodes() const;  // every row is the one next token of a text

  const StepCall& call;
  int64_t tokens = 0, outputs = 0;  // of all rows
  bool was_prompt = false;          // see ReturnWatch

  // ---- whoever computes ----
  int64_t done = 0;       // tokens that are computed, but not committed
  bool has_room = false;  // the sequences have the pages
  bool alone = false;     // something failed beside others: it does not share steps

  // ---- with StepMerger's lock ----
  bool is_running = false, is_finished = false;
  std::exception_ptr error;
  std::condition_variable changed;
};

// The next so many tokens of a call: all that are left, or some of its only row without its
// outputs.
struct StepPart {
  PendingCall* pending = nullptr;
  int64_t tokens = 0;
  bool is_last() const { return pending->done + tokens == pending->tokens; }
};

struct StepLimits {
  size_t calls = 1;         // that share a step
  int64_t max_tokens = 0;   // of a step; no call has more
  int64_t max_outputs = 0;  // of a step that has logits, unless one call wants more
};

// The next step of calls in the order of their arrival; the first of them is in it. Those that
// decode go before parts of prompts. Not empty where `calls` is not.
std::vector<StepPart> PlanStep(const std::deque<PendingCall*>& calls, const StepLimits& limits);

// The step of some parts.
class SharedStep {
 public:
  explicit SharedStep(std::span<const StepPart> parts);
  SharedStep(const SharedStep&) = delete;
  SharedStep& operator=(const SharedStep&) = delete;

  const StepCall& call() const { return call_; }
  void HandOut();  // once it is computed: results to the calls whose last part it has

 private:
  void Add(const StepPart& part);

  const std::span<const StepPart> parts_;
  std::vector<ExecutorRow> rows_;
  std::vector<int32_t> targets_, sampled_;
  std::vector<SampleRow> samples_;
  std::vector<RowScore> scores_;
  int64_t outputs_ = 0;
  std::optional<CancelFlag> any_cancel_;
  StepCall call_;
};

}  // namespace inference
