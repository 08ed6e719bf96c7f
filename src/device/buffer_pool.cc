#include "device/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "device/cl_error.h"
#include "util/checked.h"

namespace inference {

namespace {

constexpr uint64_t kSmallest = 256;
constexpr uint64_t kFineUpTo = uint64_t{512} << 10;
constexpr uint64_t kCoarseStep = uint64_t{64} << 10;
constexpr uint64_t kHugePage = uint64_t{2} << 20;

bool IsOutOfMemory(cl_int code) {
  return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
         code == CL_OUT_OF_HOST_MEMORY || code == CL_INVALID_BUFFER_SIZE;
}

void CL_CALLBACK FreeHostMemory(cl_mem, void* memory) { std::free(memory); }

// A buffer in memory of ours that the kernel may back with huge pages: the first touch of a GiB
// takes 0.1 s then, not 0.5 s. The memory goes when the driver has let go of the buffer, not at our
// release.
cl_mem CreateInHugePages(cl_context context, uint64_t bytes, cl_int* code) {
  void* memory = nullptr;
  if (::posix_memalign(&memory, kHugePage, bytes) != 0) {
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return nullptr;
  }
  ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
  cl_mem handle =
      clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, memory, code);
  if (*code != CL_SUCCESS) {
    std::free(memory);
    return nullptr;
  }
  *code = clSetMemObjectDestructorCallback(handle, FreeHostMemory, memory);
  if (*code != CL_SUCCESS) {
    clReleaseMemObject(handle);
    std::free(memory);
    return nullptr;
  }
  return handle;
}

}  // namespace

uint64_t BufferPool::SizeClass(uint64_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  const uint64_t step =
      bytes <= kFineUpTo ? uint64_t{1} << (std::bit_width(bytes - 1) - 4) : kCoarseStep;
  const auto rounded = CheckedAdd(bytes, step - 1);
  return rounded ? *rounded / step * step : bytes;
}

BufferPool::BufferPool(const Options& options) : options_(options) {
  stats_.limit = options.limit;
  stats_.cache_limit = options.cache_limit;
}

BufferPool::~BufferPool() { Trim(); }

BufferPool::Memory BufferPool::Take(uint64_t bytes) {
  const uint64_t capacity = std::max(bytes, std::min(SizeClass(bytes), options_.max_alloc_bytes));
  const std::lock_guard lock(mutex_);
  if (bytes > options_.max_alloc_bytes) {
    Fail(Status::kOomDevice, "allocate: {} bytes wanted, the device allows {} in one buffer", bytes,
         options_.max_alloc_bytes);
  }
  if (const auto found = cached_.find(capacity); found != cached_.end()) {
    const cl_mem handle = found->second.back();
    found->second.pop_back();
    if (found->second.empty()) cached_.erase(found);
    stats_.cached -= capacity;
    return {handle, capacity, AddActive(capacity)};
  }
  const uint64_t wanted = stats_.active + capacity;  // both far below 2^63
  if (wanted > stats_.limit) FailFull(bytes);
  ReleaseCached(stats_.limit - wanted);
  const cl_mem handle = Create(capacity, bytes);
  return {handle, capacity, AddActive(capacity)};
}

bool BufferPool::AddActive(uint64_t capacity) {
  stats_.active += capacity;
  stats_.peak = std::max(stats_.peak, stats_.active);
  if (stats_.active <= mark_ || above_mark_) return false;
  above_mark_ = true;
  ReleaseCached(0);
  return true;
}

cl_mem BufferPool::Create(uint64_t capacity, uint64_t bytes) {
  cl_int code = CL_SUCCESS;
  const auto create = [&] {
    return options_.huge_pages && capacity >= kHugePage
               ? CreateInHugePages(options_.context, capacity, &code)
               : clCreateBuffer(options_.context, options_.flags, capacity, nullptr, &code);
  };
  cl_mem handle = create();
  if (IsOutOfMemory(code) && stats_.cached > 0) {
    ReleaseCached(0);
    handle = create();
  }
  if (IsOutOfMemory(code)) {
    throw Error(Status::kOomDevice,
                fmt::format("allocate: {} bytes wanted, {} active, limit {}: clCreateBuffer: {}",
                            bytes, stats_.active, stats_.limit, ClCodeName(code)),
                Domain::kOpenCl, code);
  }
  CheckCl(code, "clCreateBuffer");
  return handle;
}

void BufferPool::Return(Memory memory) {
  const std::lock_guard lock(mutex_);
  stats_.active -= memory.capacity;
  above_mark_ = above_mark_ && stats_.active > mark_;
  stats_.cached += memory.capacity;
  cached_[memory.capacity].push_back(memory.handle);
  const uint64_t room = stats_.limit - std::min(stats_.limit, stats_.active);
  ReleaseCached(std::min(stats_.cache_limit, room));
}

void BufferPool::Trim() {
  const std::lock_guard lock(mutex_);
  ReleaseCached(0);
}

MemoryStats BufferPool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

uint64_t BufferPool::SetLimit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  ReleaseCached(bytes - std::min(bytes, stats_.active));
  return std::exchange(stats_.limit, bytes);
}

uint64_t BufferPool::SetCacheLimit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  ReleaseCached(bytes);
  return std::exchange(stats_.cache_limit, bytes);
}

void BufferPool::SetMark(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  mark_ = bytes;
  above_mark_ = above_mark_ && stats_.active > mark_;
}

void BufferPool::ResetPeak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.active;
}

void BufferPool::ReleaseCached(uint64_t keep) {
  while (stats_.cached > keep && !cached_.empty()) {
    const auto largest = std::prev(cached_.end());
    clReleaseMemObject(largest->second.back());
    stats_.cached -= largest->first;
    largest->second.pop_back();
    if (largest->second.empty()) cached_.erase(largest);
  }
}

void BufferPool::FailFull(uint64_t bytes) const {
  Fail(Status::kOomDevice, "allocate: {} bytes wanted, {} active, limit {}", bytes, stats_.active,
       stats_.limit);
}

}  // namespace inference
