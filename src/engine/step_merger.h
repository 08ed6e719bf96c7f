// One scheduler for all callers of a network: calls that wait at the same time share steps.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "device/device.h"
#include "engine/return_watch.h"
#include "engine/step_plan.h"

namespace inference {

struct StepCounts {
  uint64_t steps = 0;         // that were computed
  uint64_t shared_steps = 0;  // of these, for several calls
  uint64_t calls = 0;         // that have not ended
};

// Calls are served in the order of their arrival, those that can join the first beside it
// (PlanStep). A call fails for reasons of its own alone: where a shared step fails, each of its
// calls is computed by itself, unless the device is lost. Nobody waits for calls that are not there
// but for a moment, where callers have been coming back at once (ReturnWatch).
class StepMerger {
 public:
  // Computes a step whose sequences have room; commits nothing. On the submission thread.
  using Compute = std::function<void(const StepCall&)>;

  StepMerger(std::shared_ptr<Device> device, const StepLimits& limits, Compute compute);
  ~StepMerger();  // no call runs
  StepMerger(const StepMerger&) = delete;
  StepMerger& operator=(const StepMerger&) = delete;

  // Any thread but the submission thread; waits until the call is computed and committed to its
  // sequences. Where it throws they hold what they held before. A call that waits is CANCELLED
  // some 20 ms after its flag is set, one that is computed as Recording::Run says.
  void Run(const StepCall& call);
  StepCounts counts() const;

 private:
  using Clock = ReturnWatch::Clock;

  // With the lock.
  void StartIfReady();
  void Wait(PendingCall& pending, std::unique_lock<std::mutex>& lock);
  void Leave(const PendingCall& pending);
  void Finish(PendingCall& pending, std::exception_ptr error);
  void Fail(std::span<const StepPart> parts, const std::exception_ptr& error);

  // Submission thread.
  void Step();
  std::vector<StepPart> BeginStep();
  void ComputeParts(std::vector<StepPart> parts);
  void EndStep(std::span<const StepPart> parts, const std::exception_ptr& error);

  const std::shared_ptr<Device> device_;
  const StepLimits limits_;
  const Compute compute_;
  mutable std::mutex mutex_;          // of all below
  std::deque<PendingCall*> pending_;  // in the order of arrival, those that are computed, too
  bool is_started_ = false;           // Step will run, or runs
  std::condition_variable idle_;      // it does not any more
  ReturnWatch returns_;
  Clock::time_point step_began_;
  StepCounts counts_;
};

}  // namespace inference
