#include "bridge/command_queue.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace inference::tools {
namespace {

constexpr const char* kGenerations[] = {"generate", "chat", "classify", "batch_generate"};

BridgeCommand ParseCommand(const std::string& line) {
  BridgeCommand command;
  command.cancel = std::make_shared<Cancel>();
  Call(inf_cancel_new, command.cancel->out());
  try {
    if (line.size() > CommandQueue::kMaxLine) {
      throw ApiError(INF_E_LIMIT, fmt::format("line: has more than {} bytes, want at most as many",
                                              CommandQueue::kMaxLine));
    }
    command.value = ParseJson(line, "line");
    if (!command.value.is_object()) {
      throw ApiError(INF_E_FORMAT,
                     fmt::format("line: is {}, want an object", command.value.type_name()));
    }
  } catch (const std::exception& error) {
    command.value = Json();
    command.error = error.what();
  }
  return command;
}

}  // namespace

struct CommandQueue::State {
  AtEnd at_end = AtEnd::kCancel;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<BridgeCommand> waiting;
  std::shared_ptr<Cancel> running;     // of the command that was taken last
  std::shared_ptr<Cancel> generation;  // of the one that was read last
  bool has_ended = false, is_dropped = false;

  // False where nothing more is to be read.
  bool Take(const std::string& line) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) return true;
    BridgeCommand command = ParseCommand(line);
    const Json name = command.value.is_object() ? command.value.value("cmd", Json()) : Json();
    std::unique_lock lock(mutex);
    if (name == "quit") return false;
    if (name == "cancel") {
      if (generation) inf_cancel_trigger(generation->get());
      return true;
    }
    changed.wait(lock, [&] { return waiting.size() < kMaxWaiting || is_dropped; });
    if (std::ranges::find(kGenerations, name) != std::end(kGenerations)) {
      generation = command.cancel;
    }
    waiting.push_back(std::move(command));
    changed.notify_all();
    return !is_dropped;
  }

  void End() {
    const std::lock_guard lock(mutex);
    has_ended = true;
    if (at_end == AtEnd::kCancel) {
      if (running) inf_cancel_trigger(running->get());
      for (const BridgeCommand& command : waiting) inf_cancel_trigger(command.cancel->get());
    }
    changed.notify_all();
  }
};

CommandQueue::CommandQueue(int fd, AtEnd at_end) : state_(std::make_shared<State>()) {
  state_->at_end = at_end;
  std::thread(Read, fd, state_).detach();
}

CommandQueue::~CommandQueue() {
  const std::lock_guard lock(state_->mutex);
  state_->is_dropped = true;
  state_->changed.notify_all();
}

bool CommandQueue::Next(BridgeCommand& command) {
  std::unique_lock lock(state_->mutex);
  state_->running.reset();
  state_->changed.wait(lock, [&] { return !state_->waiting.empty() || state_->has_ended; });
  if (state_->waiting.empty()) return false;
  command = std::move(state_->waiting.front());
  state_->waiting.pop_front();
  state_->running = command.cancel;
  state_->changed.notify_all();
  return true;
}

// Of a line that is too long, the first bytes become an error, and the rest is skipped.
void CommandQueue::Read(int fd, const std::shared_ptr<State>& state) {
  std::string line;
  bool is_refused = false, goes_on = true;
  const auto take = [&] {
    goes_on = is_refused || state->Take(line);
    line.clear();
  };
  char block[1 << 16];
  while (goes_on) {
    const ssize_t n = read(fd, block, sizeof(block));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      take();
      break;
    }
    std::string_view rest(block, static_cast<size_t>(n));
    for (size_t end = rest.find('\n'); goes_on && end != rest.npos; end = rest.find('\n')) {
      line.append(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      take();
      is_refused = false;
    }
    line.append(rest);
    if (goes_on && line.size() > kMaxLine) {
      take();
      is_refused = true;
    }
  }
  state->End();
}

}  // namespace inference::tools
