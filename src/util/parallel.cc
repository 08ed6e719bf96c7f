#include "util/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace inference {

void ParallelFor(int64_t count,
                 const std::function<void(int64_t i, std::vector<std::byte>& scratch)>& body) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      std::vector<std::byte> scratch;
      for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i, scratch);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!failure) failure = std::current_exception();
      next.store(count);
    }
  };
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> workers;
  for (int64_t i = 1; i < std::min(count, cores); ++i) workers.emplace_back(work);
  work();
  workers.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace inference
