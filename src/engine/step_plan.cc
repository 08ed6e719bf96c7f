#include "engine/step_plan.h"

#include <algorithm>

namespace inference {

namespace {

// Its results depend on which rows there are, or on how far they go.
bool IsForOneCall(StepMode mode) {
  return mode == StepMode::kHidden || mode == StepMode::kDivergences;
}

// What a step of both computes; nothing where they cannot share one.
std::optional<StepMode> Joined(StepMode a, StepMode b) {
  if (IsForOneCall(a) || IsForOneCall(b)) return std::nullopt;
  if (a == b || b == StepMode::kPrefill) return a;
  if (a == StepMode::kPrefill) return b;
  return std::nullopt;
}

class Planner {
 public:
  explicit Planner(const StepLimits& limits) : limits_(limits), left_(limits.max_tokens) {}

  bool is_full() const { return parts_.size() >= limits_.calls || left_ <= 0; }
  std::vector<StepPart> Take() { return std::move(parts_); }

  // At most `most` tokens of the call; returns how many.
  int64_t Add(PendingCall& pending, int64_t most) {
    const int64_t wanted = pending.tokens - pending.done;
    int64_t tokens = std::min({wanted, most, left_});
    if (tokens < wanted) {
      if (pending.call.rows.size() != 1) return 0;
      tokens = std::min(tokens, wanted - pending.outputs);
    }
    if (tokens <= 0) return 0;
    const bool is_last = tokens == wanted;
    const StepMode mode = is_last ? pending.call.mode : StepMode::kPrefill;
    const int64_t outputs = is_last ? pending.outputs : 0;
    if (!parts_.empty()) {
      const auto joined = Joined(mode_, mode);
      if (!joined || pending.alone || parts_[0].pending->alone) return 0;
      const bool has_logits = joined == StepMode::kLogits || joined == StepMode::kSample;
      if (has_logits && outputs > 0 && outputs_ + outputs > limits_.max_outputs) return 0;
      mode_ = *joined;
    } else {
      mode_ = mode;
    }
    parts_.push_back({&pending, tokens});
    left_ -= tokens;
    outputs_ += outputs;
    return tokens;
  }

 private:
  const StepLimits& limits_;
  std::vector<StepPart> parts_;
  StepMode mode_ = StepMode::kPrefill;
  int64_t left_, outputs_ = 0;
};

}  // namespace

PendingCall::PendingCall(const StepCall& of) : call(of) {
  for (const ExecutorRow& row : call.rows) {
    tokens += static_cast<int64_t>(row.ids.size());
    outputs += row.outputs;
  }
}

bool PendingCall::decodes() const {
  return call.mode == StepMode::kSample && tokens == static_cast<int64_t>(call.rows.size());
}

std::vector<StepPart> PlanStep(const std::deque<PendingCall*>& calls, const StepLimits& limits) {
  Planner planner(limits);
  if (calls.empty()) return planner.Take();
  PendingCall& first = *calls.front();
  const bool shares = limits.calls > 1 && !first.alone;
  const bool beside = shares && std::ranges::any_of(calls, [](const PendingCall* pending) {
                        return pending->decodes() && !pending->alone;
                      });
  int64_t prompt = beside ? kPromptBesideDecode : limits.max_tokens;  // tokens of prompts left
  int64_t added = planner.Add(first, first.decodes() ? limits.max_tokens : prompt);
  if (added == 0) added = planner.Add(first, limits.max_tokens);  // it cannot be cut: all of it
  if (!shares) return planner.Take();
  if (!first.decodes()) prompt -= added;
  for (const bool decodes : {true, false}) {
    for (PendingCall* pending : calls) {
      if (planner.is_full() || (!decodes && prompt <= 0)) break;
      if (pending == &first || pending->decodes() != decodes) continue;
      const int64_t more = planner.Add(*pending, decodes ? limits.max_tokens : prompt);
      if (!decodes) prompt -= more;
    }
  }
  return planner.Take();
}

SharedStep::SharedStep(std::span<const StepPart> parts) : parts_(parts) {
  std::vector<const CancelFlag*> flags;
  for (const StepPart& part : parts_) {
    Add(part);
    if (part.pending->call.cancel != nullptr) flags.push_back(part.pending->call.cancel);
  }
  call_.rows = rows_;
  call_.targets = targets_;
  call_.samples = samples_;
  call_.scores = &scores_;
  call_.sampled = &sampled_;
  if (flags.size() == 1) call_.cancel = flags[0];
  if (flags.size() > 1) call_.cancel = &any_cancel_.emplace(std::move(flags));
}

void SharedStep::Add(const StepPart& part) {
  const StepCall& from = part.pending->call;
  if (!part.is_last() || part.pending->done > 0) {  // a part of a call with one row
    const ExecutorRow& row = from.rows[0];
    rows_.push_back(
        {row.sequence,
         row.ids.subspan(static_cast<size_t>(part.pending->done), static_cast<size_t>(part.tokens)),
         part.is_last() ? row.outputs : 0, row.adapters, part.pending->done});
  } else {
    rows_.insert(rows_.end(), from.rows.begin(), from.rows.end());
  }
  if (!part.is_last()) return;
  if (from.mode != StepMode::kPrefill) call_.mode = from.mode;
  call_.layers = from.layers;
  call_.top = from.top;
  call_.divergences = from.divergences;  // of the only call
  for (const StepCall::Values& out : from.logits) {
    if (out.values.empty()) continue;
    call_.logits.push_back({outputs_ + out.first, out.values});
  }
  outputs_ += part.pending->outputs;
  targets_.insert(targets_.end(), from.targets.begin(), from.targets.end());
  samples_.insert(samples_.end(), from.samples.begin(), from.samples.end());
}

void SharedStep::HandOut() {
  size_t at = 0;
  for (const StepPart& part : parts_) {
    if (!part.is_last()) continue;
    const StepCall& to = part.pending->call;
    const auto n = static_cast<std::ptrdiff_t>(part.pending->outputs);
    const auto first = static_cast<std::ptrdiff_t>(at);
    if (to.mode == StepMode::kScores) {
      to.scores->assign(scores_.begin() + first, scores_.begin() + first + n);
    } else if (to.mode == StepMode::kSample) {
      to.sampled->assign(sampled_.begin() + first, sampled_.begin() + first + n);
    }
    at += part.pending->outputs;
  }
}

}  // namespace inference
