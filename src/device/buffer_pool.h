// Device memory by size class, counted against a budget of our own: drivers do not enforce theirs
// (PoCL grants far more than the machine has). Threads: any.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "device/opencl.h"

namespace inference {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

struct MemoryStats {
  uint64_t active = 0;       // bytes in live buffers, rounded up to their size class
  uint64_t cached = 0;       // bytes that wait for reuse
  uint64_t peak = 0;         // the most that `active` has been
  uint64_t limit = 0;        // that active + cached stays within
  uint64_t cache_limit = 0;  // that cached stays within
};

class BufferPool {
 public:
  struct Options {
    cl_context context = nullptr;
    cl_mem_flags flags = CL_MEM_READ_WRITE;
    bool huge_pages = false;  // large buffers in host memory that asks for them: for CPU devices
    uint64_t max_alloc_bytes = 0;
    uint64_t limit = 0;
    uint64_t cache_limit = 0;  // bytes kept for reuse at most
  };
  struct Memory {
    cl_mem handle;
    uint64_t capacity;
    bool passed_mark = false;  // active bytes went above the mark with it
  };

  explicit BufferPool(const Options& options);
  ~BufferPool();  // everything must have come back
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  Memory Take(uint64_t bytes);  // at least one byte; OOM_DEVICE
  void Return(Memory memory);
  void Trim();  // gives what is cached back to the driver
  MemoryStats stats() const;
  uint64_t SetLimit(uint64_t bytes);       // the earlier one; takes nothing that is active
  uint64_t SetCacheLimit(uint64_t bytes);  // the earlier one
  void ResetPeak();
  // Once for each time that active bytes pass `bytes`, what is cached is given back, and Take says
  // so. At first there is no mark.
  void SetMark(uint64_t bytes);

  // Eight classes to a power of two up to 512 KiB, then multiples of 64 KiB: at most an eighth is
  // lost.
  static uint64_t SizeClass(uint64_t bytes);

 private:
  cl_mem Create(uint64_t capacity, uint64_t bytes);
  bool AddActive(uint64_t capacity);  // true where that passes the mark; locked
  void ReleaseCached(
      uint64_t keep);  // until at most `keep` bytes are cached, largest first; locked
  [[noreturn]] void FailFull(uint64_t bytes) const;

  const Options options_;
  mutable std::mutex mutex_;
  std::map<uint64_t, std::vector<cl_mem>> cached_;  // by capacity
  MemoryStats stats_;
  uint64_t mark_ = kNoLimit;
  bool above_mark_ = false;
};

}  // namespace inference
