// The one place where exceptions become status codes. Nothing is thrown past it, nothing is stored
// per thread.
#pragma once

#include <cfenv>
#include <type_traits>

#include "inference.h"
#include "util/error.h"

namespace inference::capi {

// Fills `err` (may be null, of any struct_size) from the exception that is being handled.
inf_status ReportCurrentException(inf_error* err) noexcept;

// The same results whatever rounding mode the host's thread is in; the mode is put back.
class RoundToNearest {
 public:
  RoundToNearest() : mode_(std::fegetround()) {
    if (mode_ != FE_TONEAREST) std::fesetround(FE_TONEAREST);
  }
  RoundToNearest(const RoundToNearest&) = delete;
  RoundToNearest& operator=(const RoundToNearest&) = delete;
  ~RoundToNearest() {
    if (mode_ != FE_TONEAREST) std::fesetround(mode_);
  }

 private:
  int mode_;
};

// Body returns nothing (then success is INF_OK), or the status of success.
template <typename Body>
inf_status Guard(inf_error* err, Body&& body) noexcept {
  const RoundToNearest rounding;
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body&>>) {
      body();
      return INF_OK;
    } else {
      return body();
    }
  } catch (...) {
    return ReportCurrentException(err);
  }
}

// For functions without a status: `fallback` where the body throws.
template <typename Result, typename Body>
Result GuardOr(Result fallback, Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return fallback;
  }
}

}  // namespace inference::capi
