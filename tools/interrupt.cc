#include "interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace inference::tools {
namespace {

// What the handler may touch; a signal handler has no other way to its object.
std::atomic<inf_cancel*> g_cancel{nullptr};
std::atomic<int> g_wake_fd{-1};

void OnSigint(int) {
  const int saved_errno = errno;
  inf_cancel_trigger(g_cancel.load());
  const char byte = 0;
  // A full pipe is fine: the reader wakes anyway.
  if (write(g_wake_fd.load(), &byte, 1) < 0) errno = saved_errno;
  errno = saved_errno;
}

}  // namespace

Interrupt::Interrupt(Second second) {
  Call(inf_cancel_new, cancel_.out());
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw ApiError(INF_E_IO, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  g_cancel = cancel_.get();
  g_wake_fd = wake_[1];
  struct sigaction action {};
  action.sa_handler = OnSigint;
  action.sa_flags = SA_RESTART | (second == Second::kEnds ? static_cast<int>(SA_RESETHAND) : 0);
  sigaction(SIGINT, &action, &previous_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &previous_, nullptr);
  g_cancel = nullptr;
  g_wake_fd = -1;
  close(wake_[0]);
  close(wake_[1]);
}

void Interrupt::Reset() {
  char bytes[64];
  while (read(wake_[0], bytes, sizeof(bytes)) > 0) {
  }
  inf_cancel_reset(cancel_.get());
}

bool Interrupt::WaitReadable(int fd) {
  pollfd fds[2] = {{fd, POLLIN, 0}, {wake_[0], POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return fds[1].revents == 0;
}

}  // namespace inference::tools
