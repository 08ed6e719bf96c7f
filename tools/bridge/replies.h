// The stdout of the protocol: JSON Lines and nothing else, each written at once.
#pragma once

#include <functional>
#include <string>

#include "json_io.h"

namespace inference::tools {

class Replies {
 public:
  static constexpr size_t kMaxLine =
      size_t{1} << 20;  // bytes with the end of the line, as the protocol has it

  // Takes stdout: what a driver prints there from now on goes to stderr. ApiError (IO).
  Replies();
  Replies(const Replies&) = delete;
  Replies& operator=(const Replies&) = delete;
  ~Replies();

  // ApiError (LIMIT) for an object that is too long, with nothing written.
  void Send(const Json& object) const;
  // {"error": text}, of which at most the first 4000 bytes are sent.
  void SendError(std::string text) const;

 private:
  int fd_;
};

// Nobody reads the replies any more: there is nothing left to do.
class RepliesClosed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace inference::tools
