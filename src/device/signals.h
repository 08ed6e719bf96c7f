// Keeps OpenCL drivers from changing how the host process meets signals.
#pragma once

#include <csignal>

namespace inference {

// Around calls in which a driver may load, compile or start threads. Drivers (PoCL and its LLVM)
// install handlers then; when the last guard of the process goes, every disposition is as the first
// found it. A handler that the host itself installs meanwhile is undone too: the two cannot be told
// apart.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  stack_t stack_before_;
};

// Blocks signals on this thread, and so on the threads started meanwhile, which keep that mask.
// Faults (SIGSEGV, SIGFPE, ..., SIGSYS) stay open: the host's crash handler or seccomp filter gets
// them.
class BlockSignals {
 public:
  BlockSignals();
  ~BlockSignals();
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace inference
