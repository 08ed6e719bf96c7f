// What handles mean. A handle is a number: slot, generation and a fixed pattern, never an address
// that is followed, so that stale, foreign and random ones are recognised.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "util/cancel.h"

namespace inference::capi {

enum class HandleType : uint8_t {
  kConfig = 1,
  kRuntime,
  kCancel,
  kModel,
  kTokenizer,
  kDetok,
  kChat,
  kSession,
  kRequest,
  kGen,
  kModelList,
  kBatch,
  kAdapter,
  kInputs,
  kItems,
};

// All of these may be called from any thread. The slots are never given back; a slot whose
// generations are used up is not used again.
void* AddHandle(HandleType type, std::shared_ptr<void> object);  // LIMIT at 2^20 live handles
std::shared_ptr<void> FindHandle(const void* handle, HandleType type);  // null where not live
// Drops the table's reference; calls that run keep theirs. Does nothing where not live.
void RemoveHandle(const void* handle, HandleType type) noexcept;

// The flag of a kCancel handle, which cannot go while this lives. Takes no lock and allocates
// nothing, so also for signal handlers.
class CancelPin {
 public:
  explicit CancelPin(const void* handle) noexcept;
  ~CancelPin();
  CancelPin(const CancelPin&) = delete;
  CancelPin& operator=(const CancelPin&) = delete;

  explicit operator bool() const { return flag_ != nullptr; }  // false where the handle is not live
  CancelFlag* operator->() const { return flag_; }

 private:
  std::atomic<uint32_t>* readers_ = nullptr;
  CancelFlag* flag_ = nullptr;
};

}  // namespace inference::capi
