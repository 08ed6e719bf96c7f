// A hash map of 64-bit keys for the hot look-ups of encoding: open addressing, no deletion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace inference {

class FlatMap64 {
 public:
  static constexpr uint64_t kNoKey = ~uint64_t{0};  // may not be inserted

  static uint64_t PairKey(int32_t high, int32_t low) {
    return (uint64_t{static_cast<uint32_t>(high)} << 32) | static_cast<uint32_t>(low);
  }

  explicit FlatMap64(size_t expected = 0) {
    size_t capacity = 16;
    while (capacity < expected * 2) capacity *= 2;
    slots_.assign(capacity, Slot{});
  }

  size_t size() const { return size_; }

  // The value of `key`, or nullptr.
  const uint64_t* Find(uint64_t key) const {
    const Slot& slot = slots_[Position(key)];
    return slot.key == kNoKey ? nullptr : &slot.value;
  }

  // Replaces the value where the key is there already.
  void Set(uint64_t key, uint64_t value) {
    if ((size_ + 1) * 2 > slots_.size()) Grow();
    Slot& slot = slots_[Position(key)];
    if (slot.key == kNoKey) ++size_;
    slot = {key, value};
  }

 private:
  struct Slot {
    uint64_t key = kNoKey;
    uint64_t value = 0;
  };

  static uint64_t Mix(uint64_t x) {
    x *= 0x9E3779B97F4A7C15u;
    return x ^ (x >> 29);
  }

  // The slot of `key`, or the empty slot where it belongs; at least half of the slots are empty.
  size_t Position(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t at = Mix(key) & mask;
    while (slots_[at].key != key && slots_[at].key != kNoKey) at = (at + 1) & mask;
    return at;
  }

  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.key != kNoKey) slots_[Position(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t size_ = 0;
};

}  // namespace inference
