// Calls into the host.
#pragma once

#include <string_view>

#include "inference.h"
#include "util/error.h"

namespace inference::capi {

enum class Answer { kGoOn, kStop };

// fn may be null. Throws CALLBACK with the value where it is negative, and where `fn` throws, which
// it must not.
template <typename Event>
Answer CallBack(int32_t (*fn)(void* user, const Event* event), void* user, const Event& event) {
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

// INF_EVENT_PROGRESS with `what` as its text. CANCELLED where the host says to stop.
inline void ReportProgress(inf_event_fn fn, void* user, uint64_t done, uint64_t total,
                           std::string_view what) {
  inf_event event = {};
  event.struct_size = sizeof(event);
  event.kind = INF_EVENT_PROGRESS;
  event.token = -1;
  event.step = done;
  event.total = total;
  event.text = what.data();
  event.text_len = what.size();
  if (CallBack(fn, user, event) == Answer::kStop) {
    Fail(Status::kCancelled, "{}: stopped by the progress callback", what);
  }
}

}  // namespace inference::capi
