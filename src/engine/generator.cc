#include "engine/generator.h"

#include <chrono>

namespace inference {

namespace {

uint64_t NanosSince(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
          .count());
}

}  // namespace

Generation::Generation(std::shared_ptr<Session> session, GenerateRequest request)
    : session_(std::move(session)), run_(session_, std::move(request)) {
  if (run_.wants_logits()) {
    logits_.resize(static_cast<size_t>(session_->model().network().dims().vocab_size));
  }
}

bool Generation::Advance(GenerateEvent& event) {
  if (!run_.ended()) ThrowIfCancelled(run_.request().cancel.get(), "generate");
  if (run_.TakeEvent(event)) return true;
  if (const auto step = run_.Next(static_cast<size_t>(session_->model().prefill_chunk()))) {
    Compute(*step);
  }
  return run_.TakeEvent(event);
}

void Generation::Compute(const RunStep& step) {
  const auto start = std::chrono::steady_clock::now();
  const CancelFlag* cancel = run_.request().cancel.get();
  switch (step.kind) {
    case RunStep::Kind::kPrefill:
      session_->Prefill(step.ids, cancel);
      return run_.Prefilled(step, NanosSince(start));
    case RunStep::Kind::kScore: {
      const auto scores = session_->PrefillScores(step.ids, step.targets, cancel);
      return run_.Scored(step, scores, NanosSince(start));
    }
    case RunStep::Kind::kSample: {
      const int32_t id = session_->PrefillAndSample(step.ids, run_.NextRow(), cancel, logits_);
      return run_.Sampled(step, id, logits_, NanosSince(start));
    }
  }
}

bool Generation::Next(GenerateEvent& event) {
  if (failure_) std::rethrow_exception(failure_);
  try {
    return Advance(event);
  } catch (const Error& error) {
    failure_ = std::current_exception();
    run_.End(error.status() == Status::kCancelled ? Finish::kCancelled : Finish::kError);
    throw;
  } catch (...) {
    failure_ = std::current_exception();
    run_.End(Finish::kError);
    throw;
  }
}

void Generation::Stop(Finish finish) {
  run_.Drop();
  run_.End(finish);
}

}  // namespace inference
