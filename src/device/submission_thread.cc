#include "device/submission_thread.h"

#include <chrono>
#include <exception>
#include <utility>

#include "device/signals.h"

namespace inference {

namespace {

constexpr std::chrono::microseconds kAwait{50};

}  // namespace

SubmissionThread::SubmissionThread() {
  const BlockSignals blocked;
  const std::lock_guard lock(mutex_);  // thread_ is assigned before the loop can look at it
  thread_ = std::thread([this] { Loop(); });
}

SubmissionThread::~SubmissionThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    pending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SubmissionThread::Run(const std::function<void()>& work) {
  if (IsCurrent()) {
    work();
    return;
  }
  struct {
    std::exception_ptr error;
    std::condition_variable finished;
    bool done = false;
  } job;
  Post([&] {
    try {
      work();
    } catch (...) {
      job.error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    job.done = true;
    job.finished.notify_one();  // under the lock: the job is gone once its owner can go on
  });
  std::unique_lock lock(mutex_);
  job.finished.wait(lock, [&] { return job.done; });
  if (job.error) std::rethrow_exception(std::move(job.error));
}

void SubmissionThread::Post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(work));
  pending_ = true;
  wake_.notify_one();
}

// A caller in a loop is back at once: then this thread need not be woken, which takes about 35 us.
void SubmissionThread::AwaitBriefly() const {
  const auto end = std::chrono::steady_clock::now() + kAwait;
  while (!pending_ && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

void SubmissionThread::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
    if (!jobs_.empty() || stopping_) continue;
    pending_ = false;
    lock.unlock();
    AwaitBriefly();
    lock.lock();
  }
}

}  // namespace inference
