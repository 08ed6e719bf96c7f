// Ctrl-C as a request to stop.
#pragma once

#include <signal.h>

#include "api.h"

namespace inference::tools {

// While it lives, SIGINT triggers cancel() instead of ending the program. One at a time.
class Interrupt {
 public:
  enum class Second {
    kEnds,   // a second SIGINT ends the program: for commands that end anyway
    kAgain,  // every SIGINT only triggers: for interactive ones
  };
  explicit Interrupt(Second second);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  inf_cancel* cancel() const { return cancel_.get(); }
  bool is_set() const { return inf_cancel_is_set(cancel_.get()) != 0; }
  void Reset();  // forgets what came so far

  // Waits until `fd` can be read (true) or a SIGINT comes (false).
  bool WaitReadable(int fd);

 private:
  Cancel cancel_;
  int wake_[2];  // the handler may run on any thread: a pipe wakes the one that waits
  struct sigaction previous_;
};

}  // namespace inference::tools
