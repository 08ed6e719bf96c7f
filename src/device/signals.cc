#include "device/signals.h"

#include <array>
#include <cstring>
#include <mutex>

namespace inference {

namespace {

constexpr int kSignals = NSIG;

// Dispositions belong to the process, so does their snapshot.
struct Snapshot {
  std::mutex mutex;
  int guards = 0;
  std::array<struct sigaction, kSignals> actions;
  std::array<bool, kSignals> known;
};

Snapshot& TheSnapshot() {
  static Snapshot* const snapshot = new Snapshot;  // outlives threads that run at exit
  return *snapshot;
}

bool Same(const struct sigaction& a, const struct sigaction& b) {
  return a.sa_sigaction == b.sa_sigaction && a.sa_flags == b.sa_flags &&
         std::memcmp(&a.sa_mask, &b.sa_mask, sizeof(a.sa_mask)) == 0;
}

}  // namespace

SignalGuard::SignalGuard() {
  ::sigaltstack(nullptr, &stack_before_);
  Snapshot& snapshot = TheSnapshot();
  const std::lock_guard lock(snapshot.mutex);
  if (snapshot.guards++ > 0) return;
  for (int signal = 1; signal < kSignals; ++signal) {
    snapshot.known[signal] = ::sigaction(signal, nullptr, &snapshot.actions[signal]) == 0;
  }
}

SignalGuard::~SignalGuard() {
  stack_t stack_now;
  if (::sigaltstack(nullptr, &stack_now) == 0 && stack_now.ss_sp != stack_before_.ss_sp) {
    ::sigaltstack(&stack_before_, nullptr);
  }
  Snapshot& snapshot = TheSnapshot();
  const std::lock_guard lock(snapshot.mutex);
  if (--snapshot.guards > 0) return;
  for (int signal = 1; signal < kSignals; ++signal) {
    struct sigaction now;
    if (!snapshot.known[signal] || ::sigaction(signal, nullptr, &now) != 0) continue;
    if (!Same(now, snapshot.actions[signal])) {
      ::sigaction(signal, &snapshot.actions[signal], nullptr);
    }
  }
}

BlockSignals::BlockSignals() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&blocked, fault);
  }
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
}

BlockSignals::~BlockSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace inference
