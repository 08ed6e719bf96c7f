#include "capi/handle_table.h"

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <thread>

#include "util/error.h"

namespace inference::capi {

namespace {

// Handle bits: 63..56 pattern, 55..24 generation, 23..4 slot, 3..0 zero. No user-space address of
// x86-64 or arm64 looks like it.
constexpr uint64_t kPattern = uint64_t{0x5A} << 56;
constexpr uint32_t kSlotBits = 20;
constexpr uint32_t kBlockSlots = 1024;
constexpr uint32_t kMaxSlots = 1u << kSlotBits;
constexpr uint32_t kNoSlot = ~0u;
static_assert(sizeof(void*) == sizeof(uint64_t), "handles need 64-bit pointers");
static_assert(std::atomic<uint64_t>::is_always_lock_free);

struct Slot {
  std::atomic<uint64_t> key{uint64_t{1} << 8};  // generation << 8 | type; type 0: not in use
  std::atomic<CancelFlag*> cancel{nullptr};
  std::atomic<uint32_t> readers{0};  // pins that may hold `cancel`
  std::shared_ptr<void> object;      // locked, as all below
  uint32_t next_free = kNoSlot;
};

// Everything is constant-initialised and never destroyed: handles may be used while the process
// ends.
constinit std::array<std::atomic<Slot*>, kMaxSlots / kBlockSlots> g_blocks{};
constinit std::mutex g_mutex;
constinit uint32_t g_slots = 0;  // made so far
constinit uint32_t g_first_free = kNoSlot;

uint64_t MakeKey(uint64_t generation, HandleType type) {
  return generation << 8 | static_cast<uint64_t>(type);
}

// The slot that a handle of `type` names, and the key it must have; null for what cannot be one.
Slot* SlotOf(const void* handle, HandleType type, uint64_t& key) {
  const auto bits = reinterpret_cast<uint64_t>(handle);
  if ((bits & (uint64_t{0xFF} << 56)) != kPattern || (bits & 0xF) != 0) return nullptr;
  const auto index = static_cast<uint32_t>(bits >> 4) & (kMaxSlots - 1);
  Slot* block = g_blocks[index / kBlockSlots].load(std::memory_order_acquire);
  if (block == nullptr) return nullptr;
  key = MakeKey(bits >> 24 & 0xFFFFFFFF, type);
  return block + index % kBlockSlots;
}

// Locked. The index of an unused slot.
uint32_t TakeSlot() {
  if (g_first_free != kNoSlot) {
    const uint32_t index = g_first_free;
    const Slot& slot = g_blocks[index / kBlockSlots].load()[index % kBlockSlots];
    g_first_free = slot.next_free;
    return index;
  }
  Require(g_slots < kMaxSlots, Status::kLimit, "handles: {} are live, at most {}", g_slots,
          kMaxSlots);
  if (g_slots % kBlockSlots == 0) {
    g_blocks[g_slots / kBlockSlots].store(new Slot[kBlockSlots], std::memory_order_release);
  }
  return g_slots++;
}

}  // namespace

void* AddHandle(HandleType type, std::shared_ptr<void> object) {
  const std::lock_guard lock(g_mutex);
  const uint32_t index = TakeSlot();
  Slot& slot = g_blocks[index / kBlockSlots].load()[index % kBlockSlots];
  const uint64_t generation = slot.key.load() >> 8;
  if (type == HandleType::kCancel) slot.cancel = static_cast<CancelFlag*>(object.get());
  slot.object = std::move(object);
  slot.key = MakeKey(generation, type);
  return reinterpret_cast<void*>(kPattern | generation << 24 | uint64_t{index} << 4);
}

std::shared_ptr<void> FindHandle(const void* handle, HandleType type) {
  uint64_t key = 0;
  Slot* slot = SlotOf(handle, type, key);
  if (slot == nullptr) return nullptr;
  const std::lock_guard lock(g_mutex);
  return slot->key.load() == key ? slot->object : nullptr;
}

void RemoveHandle(const void* handle, HandleType type) noexcept {
  uint64_t key = 0;
  Slot* slot = SlotOf(handle, type, key);
  if (slot == nullptr) return;
  std::shared_ptr<void> object;  // dropped after the lock: it may run the caller's user_free
  const std::lock_guard lock(g_mutex);
  if (slot->key.load() != key) return;
  const uint64_t next_generation = (key >> 8) + 1;
  slot->key = next_generation << 8;
  while (slot->readers.load() != 0) std::this_thread::yield();
  slot->cancel = nullptr;
  object = std::move(slot->object);
  if (next_generation > 0xFFFFFFFF) return;  // used up
  slot->next_free = g_first_free;
  g_first_free = static_cast<uint32_t>(reinterpret_cast<uint64_t>(handle) >> 4) & (kMaxSlots - 1);
}

// RemoveHandle changes the key first and then waits for readers: whoever still saw the old key may
// use the flag.
CancelPin::CancelPin(const void* handle) noexcept {
  uint64_t key = 0;
  Slot* slot = SlotOf(handle, HandleType::kCancel, key);
  if (slot == nullptr) return;
  readers_ = &slot->readers;
  readers_->fetch_add(1);
  if (slot->key.load() == key) flag_ = slot->cancel.load();
}

CancelPin::~CancelPin() {
  if (readers_ != nullptr) readers_->fetch_sub(1);
}

}  // namespace inference::capi
