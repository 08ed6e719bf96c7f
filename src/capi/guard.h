// The one place where exceptions become status codes. Nothing is thrown past it, nothing is stored
// per thread.
#pragma once

#include <type_traits>

#include "inference.h"
#include "util/error.h"

namespace inference::capi {

// Fills `err` (may be null, of any struct_size) from the exception that is being handled.
inf_status ReportCurrentException(inf_error* err) noexcept;

// Body returns nothing (then success is INF_OK), or the status of success.
template <typename Body>
inf_status Guard(inf_error* err, Body&& body) noexcept {
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
