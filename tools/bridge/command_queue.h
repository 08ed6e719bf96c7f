// Commands of the JSON Lines protocol, read by a thread of their own so that "cancel", "quit" and
// the end of the input are heard while another command runs.
#pragma once

#include <memory>
#include <string>

#include "api.h"
#include "json_io.h"

namespace inference::tools {

struct BridgeCommand {
  Json value;         // an object, or null where the line was none:
  std::string error;  // why
  std::shared_ptr<Cancel> cancel;
};

class CommandQueue {
 public:
  static constexpr size_t kMaxLine = size_t{64} << 20;  // bytes, as much as a tokenizer takes
  static constexpr size_t kMaxWaiting = 256;            // then nothing more is read

  enum class AtEnd {
    kCancel,  // what runs and what waits is cancelled
    kFinish,  // is done first
  };
  CommandQueue(int fd, AtEnd at_end);
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;
  // The reader may wait for input that never comes, so whoever drops a queue ends the process soon.
  ~CommandQueue();

  // Waits for the next command, in order; false after "quit" and at the end of the input. "cancel"
  // is not among them: it ends the generation that was read last.
  bool Next(BridgeCommand& command);

 private:
  struct State;
  static void Read(int fd, const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace inference::tools
