// Calls into the host.
#pragma once

#include "inference.h"
#include "util/error.h"

namespace inference::capi {

enum class Answer { kGoOn, kStop };

// fn may be null. Throws CALLBACK with the value where it is negative, and where `fn` throws, which
// it must not.
inline Answer CallBack(inf_event_fn fn, void* user, const inf_event& event) {
  if (fn == nullptr) return Answer::kGoOn;
  int32_t answer = 0;
  try {
    answer = fn(user, &event);
  } catch (...) {
    throw Error(Status::kCallback, "callback: threw a C++ exception", Domain::kCallback, 0);
  }
  if (answer < 0) {
    throw Error(Status::kCallback, fmt::format("callback: returned {}", answer), Domain::kCallback,
                answer);
  }
  return answer > 0 ? Answer::kStop : Answer::kGoOn;
}

}  // namespace inference::capi
