// The one thread that talks to a device's queue. Drivers are not reliably safe when several threads
// submit (PoCL 3.1 has been seen to abort), so all submission goes through here, first come, first
// served.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace inference {

class SubmissionThread {
 public:
  SubmissionThread();   // asynchronous signals are blocked on the thread
  ~SubmissionThread();  // never in a forked child, which has no such thread: leak it there
  SubmissionThread(const SubmissionThread&) = delete;
  SubmissionThread& operator=(const SubmissionThread&) = delete;

  // Runs `work` there and waits; at once when called from the thread itself. Exceptions reach the
  // caller.
  void Run(const std::function<void()>& work);
  // Runs `work`, which must not throw, there in its turn, and does not wait.
  void Post(std::function<void()> work);

  bool IsCurrent() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void Loop();
  void AwaitBriefly() const;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> pending_{false};  // there is a job, or the end
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace inference
