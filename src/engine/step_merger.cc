#include "engine/step_merger.h"

#include <algorithm>
#include <utility>

#include "util/error.h"

namespace inference {

namespace {

using std::chrono::microseconds, std::chrono::milliseconds;

constexpr milliseconds kCancelPeriod{20};  // between two looks at the flag of a call that waits

const void* CallerOf(const PendingCall& pending) { return pending.call.rows[0].sequence; }

// How long a caller may take to come back: a small part of the step that it would miss.
ReturnWatch::Clock::duration PatienceAfter(ReturnWatch::Clock::duration step) {
  return std::clamp<ReturnWatch::Clock::duration>(step / 8, microseconds(100), milliseconds(1));
}

std::optional<Status> StatusOf(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return e.status();
  } catch (...) {
    return std::nullopt;
  }
}

}  // namespace

StepMerger::StepMerger(std::shared_ptr<Device> device, const StepLimits& limits, Compute compute)
    : device_(std::move(device)), limits_(limits), compute_(std::move(compute)) {}

StepMerger::~StepMerger() {
  try {
    device_->CheckProcess();
  } catch (...) {  // in a forked child nothing goes on, and the lock may be held for ever
    return;
  }
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !is_started_; });
}

StepCounts StepMerger::counts() const {
  const std::lock_guard lock(mutex_);
  StepCounts counts = counts_;
  counts.calls = pending_.size();
  return counts;
}

void StepMerger::Run(const StepCall& call) {
  device_->CheckProcess();
  PendingCall self(call);
  Require(self.tokens >= 1 && self.tokens <= limits_.max_tokens, Status::kInternal,
          "step: {} tokens, want 1..{}", self.tokens, limits_.max_tokens);
  std::unique_lock lock(mutex_);
  self.was_prompt = returns_.Arrived(CallerOf(self), Clock::now());
  pending_.push_back(&self);
  try {
    StartIfReady();
    while (!self.is_finished) {
      Wait(self, lock);
      if (self.is_finished) break;
      if (!self.is_running) ThrowIfCancelled(call.cancel, "step");
      StartIfReady();
    }
  } catch (...) {
    Leave(self);
    throw;
  }
  if (self.error) std::rethrow_exception(std::exchange(self.error, nullptr));
}

void StepMerger::StartIfReady() {
  if (is_started_ || pending_.empty()) return;
  const bool may_be_more = pending_.size() < limits_.calls;
  if (may_be_more && returns_.Expected(Clock::now())) return;
  device_->Post([this] { Step(); });
  is_started_ = true;
}

// The first of those that wait keeps the time for all.
void StepMerger::Wait(PendingCall& pending, std::unique_lock<std::mutex>& lock) {
  const Clock::time_point now = Clock::now();
  std::optional<Clock::time_point> until;
  if (pending.call.cancel != nullptr) until = now + kCancelPeriod;
  if (!is_started_ && pending_.front() == &pending) {
    const Clock::time_point start = returns_.Expected(now).value_or(now);
    until = until ? std::min(*until, start) : start;
  }
  if (until) {
    pending.changed.wait_until(lock, *until);
  } else {
    pending.changed.wait(lock);
  }
}

void StepMerger::Leave(const PendingCall& pending) {
  std::erase(pending_, &pending);
  if (!is_started_ && !pending_.empty()) pending_.front()->changed.notify_one();
}

void StepMerger::Finish(PendingCall& pending, std::exception_ptr error) {
  std::erase(pending_, &pending);
  if (!error && limits_.calls > 1) {
    const Clock::time_point now = Clock::now();
    returns_.HandedOut(CallerOf(pending), pending.was_prompt, now,
                       now + PatienceAfter(now - step_began_));
  }
  pending.error = std::move(error);
  pending.is_finished = true;
  pending.changed.notify_one();  // it goes once the lock is free
}

void StepMerger::Step() {
  std::vector<StepPart> parts;
  std::exception_ptr error;
  try {
    parts = BeginStep();
    if (!parts.empty()) device_->Run([&] { ComputeParts(parts); });
  } catch (...) {
    error = std::current_exception();
  }
  EndStep(parts, error);
}

std::vector<StepPart> StepMerger::BeginStep() {
  const std::lock_guard lock(mutex_);
  step_began_ = Clock::now();
  const std::deque<PendingCall*> waiting = pending_;
  for (PendingCall* pending : waiting) {
    if (!pending->is_cancelled()) continue;
    Finish(*pending,
           std::make_exception_ptr(Error(Status::kCancelled, "step: cancelled while it waited")));
  }
  std::vector<StepPart> parts = PlanStep(pending_, limits_);
  for (const StepPart& part : parts) part.pending->is_running = true;
  return parts;
}

void StepMerger::ComputeParts(std::vector<StepPart> parts) {
  const bool is_shared = parts.size() > 1;
  std::erase_if(parts, [&](const StepPart& part) {
    if (part.pending->has_room) return false;
    try {
      for (const ExecutorRow& row : part.pending->call.rows) {
        row.sequence->Extend(static_cast<int64_t>(row.ids.size()));
      }
    } catch (const Error& error) {
      if (!is_shared || error.status() == Status::kDeviceLost) throw;
      return part.pending->alone = true;
    }
    part.pending->has_room = true;
    return false;
  });
  if (parts.empty()) return;
  SharedStep step(parts);
  compute_(step.call());
  step.HandOut();
  for (const StepPart& part : parts) {
    part.pending->done += part.tokens;
    if (part.pending->done < part.pending->tokens) continue;
    for (const ExecutorRow& row : part.pending->call.rows) {
      row.sequence->Commit(static_cast<int64_t>(row.ids.size()));
    }
  }
}

void StepMerger::EndStep(std::span<const StepPart> parts, const std::exception_ptr& error) {
  const std::lock_guard lock(mutex_);
  ++counts_.steps;
  if (parts.size() > 1) ++counts_.shared_steps;
  for (const StepPart& part : parts) part.pending->is_running = false;
  if (error) Fail(parts, error);
  for (const StepPart& part : parts) {
    if (!error && part.pending->done == part.pending->tokens) Finish(*part.pending, nullptr);
  }
  is_started_ = false;
  try {
    StartIfReady();
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first of those that wait tries, too
  }
  if (is_started_) return;
  if (!pending_.empty()) pending_.front()->changed.notify_one();
  idle_.notify_all();
}

void StepMerger::Fail(std::span<const StepPart> parts, const std::exception_ptr& error) {
  if (parts.empty()) {  // nothing was begun: so that it does not go on for ever
    if (!pending_.empty()) Finish(*pending_.front(), error);
    return;
  }
  const std::optional<Status> status = StatusOf(error);
  const bool concerns_all = parts.size() == 1 || status == Status::kDeviceLost;
  for (const StepPart& part : parts) {
    if (concerns_all || (status == Status::kCancelled && part.pending->is_cancelled())) {
      Finish(*part.pending, error);
    } else if (status != Status::kCancelled) {
      part.pending->alone = true;
    }
  }
}

}  // namespace inference
