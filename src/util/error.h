// The one exception of the engine. src/capi/guard.h turns it into a status and an inf_error.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace inference {

// The values of INF_E_* in include/inference.h (src/capi/guard.h asserts that they agree).
enum class Status : int32_t {
  kInternal = -1,
  kArg = -2,
  kState = -3,
  kBusy = -4,
  kAbi = -5,
  kHandle = -6,
  kLimit = -7,
  kNotFound = -10,
  kIo = -11,
  kFormat = -12,
  kUnsupported = -13,
  kPath = -14,
  kTemplate = -15,
  kNumeric = -16,
  kOomHost = -20,
  kOomDevice = -21,
  kDevice = -22,
  kDeviceLost = -23,
  kKernelBuild = -24,
  kCancelled = -30,
  kCallback = -31,
  kContextFull = -40,
  kMismatch = -41,
};

// Where a sub-code comes from.
enum class Domain : int32_t { kNone = 0, kErrno = 1, kOpenCl = 2, kCallback = 4 };

class Error : public std::runtime_error {
 public:
  Error(Status status, std::string message, Domain domain = Domain::kNone, int32_t sub = 0)
      : std::runtime_error(std::move(message)), status_(status), domain_(domain), sub_(sub) {}
  Status status() const { return status_; }
  Domain domain() const { return domain_; }
  int32_t sub() const { return sub_; }

 private:
  Status status_;
  Domain domain_;
  int32_t sub_;  // errno, cl_int or a callback's return value
};

// Throws Error. Messages read "object: what is, what was wanted", with the values.
template <typename... Args>
[[noreturn]] void Fail(Status status, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(status, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void Require(bool condition, Status status, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) Fail(status, format, std::forward<Args>(args)...);
}

// Throws Error "object: what: text of the errno `code`".
[[noreturn]] void FailErrno(Status status, std::string_view object, std::string_view what,
                            int code);

// `text` made safe for an error message: control bytes and bad UTF-8 escaped, at most 256 bytes.
std::string Quote(std::string_view text);

}  // namespace inference
