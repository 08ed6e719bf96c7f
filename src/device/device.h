// An open OpenCL device: context, one in-order queue, memory, programs and the thread that submits.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "device/buffer.h"
#include "device/buffer_pool.h"
#include "device/device_info.h"
#include "device/int8_dot.h"
#include "device/kernel.h"
#include "device/opencl.h"
#include "device/profile.h"
#include "device/program_cache.h"
#include "device/submission_thread.h"
#include "device/tuning.h"
#include "util/log.h"

namespace inference {

struct DeviceOptions {
  // Compiled kernels are kept under it; empty = $XDG_CACHE_HOME or ~/.cache, + "/libinference".
  std::string cache_dir;
  // True where the caller named it: that it cannot be used is then an IO error, otherwise a
  // warning.
  bool cache_dir_required = false;
  // Bytes; 0 = the device's memory, for CPU devices the cgroup's limit where that is lower.
  uint64_t memory_limit = 0;
};

// Closed when the last handle goes, be that a Device, Buffer, Kernel or BufferMapping; any thread
// may drop it. Not usable in a forked child: calls fail there with STATE, and dropping it leaks.
// Also dropping it from a static's destructor leaks: the driver may be gone by then.
class Device : public std::enable_shared_from_this<Device> {
 public:
  static std::shared_ptr<Device> Open(const DeviceInfo& info, const DeviceOptions& options,
                                      std::shared_ptr<const Logger> logger);
  ~Device();

  const DeviceInfo& info() const { return info_; }
  // What kernels run with. Set it before the first recording: one that exists keeps what it was
  // made with.
  const Tuning& tuning() const { return tuning_; }
  void SetTuning(Tuning tuning) { tuning_ = std::move(tuning); }
  cl_context context() const { return context_.get(); }
  cl_command_queue queue() const { return queue_.get(); }

  // Runs `work` on the submission thread, waits, and returns its result; exceptions reach the
  // caller. Called on that thread it runs at once. After DEVICE_LOST everything is refused with
  // that status.
  template <typename Work>
  auto Run(Work&& work) {
    using Result = std::decay_t<std::invoke_result_t<Work&>>;
    if constexpr (std::is_void_v<Result>) {
      RunErased([&] { work(); });
    } else {
      std::optional<Result> result;
      RunErased([&] { result.emplace(work()); });
      return *std::move(result);
    }
  }

  // Runs `work`, which must not throw, on the submission thread in its turn, and does not wait. The
  // device must be there until then.
  void Post(std::function<void()> work);
  void CheckProcess() const;  // STATE in a forked child

  // ---- memory: any thread ----
  // OOM_DEVICE with the bytes wanted, active and the limit. A buffer may hold what its last owner
  // in this process left there: fill it, or write it whole, before it is read. Zero bytes gives a
  // usable handle.
  Buffer Allocate(uint64_t bytes);
  MemoryStats memory() const { return pool_->stats(); }
  // Both return the earlier one.
  uint64_t SetMemoryLimit(uint64_t bytes) { return pool_->SetLimit(bytes); }
  uint64_t SetCacheLimit(uint64_t bytes) { return pool_->SetCacheLimit(bytes); }
  void ResetPeak() { pool_->ResetPeak(); }
  void Trim() { pool_->Trim(); }
  // The models here weigh that much: where more than three times as much is active, one warning is
  // logged, and what is cached is given back. 0: no watch.
  void WatchMemory(uint64_t model_bytes);
  ProgramStats programs() const { return programs_->stats(); }

  // ---- the submission thread only (INTERNAL elsewhere); commands run in the order of the calls
  // ----
  void Write(const Buffer& to, uint64_t offset, std::span<const std::byte> bytes);  // blocking
  // Blocking: everything before it is complete, too.
  void Read(const Buffer& from, uint64_t offset, std::span<std::byte> bytes);
  void Copy(const Buffer& from, uint64_t from_offset, const Buffer& to, uint64_t to_offset,
            uint64_t bytes);
  void FillZero(const Buffer& buffer, uint64_t offset, uint64_t bytes);
  BufferMapping Map(const Buffer& buffer);

  // The kernel of cl/common.cl + cl/<file>.cl for each of `files` in order. `defines`: "-D
  // NAME=VALUE ...".
  Kernel GetKernel(const std::string& kernel, const std::vector<std::string>& files,
                   const std::string& defines);
  Kernel GetKernelFromSource(const std::string& kernel, const std::string& source,
                             const std::string& defines);
  // `work`: for a profile; may be null.
  void Enqueue(const Kernel& kernel, const Range& range, const Work* work = nullptr);
  void Flush();
  void Finish();
  // A point in the order of the calls, and waiting until all before it is complete.
  ClEvent Mark();
  void Wait(const ClEvent& mark);

  // Times every launch from here to StopProfile, by the driver's own clock. STATE where a profile
  // runs already, or where none does. Waits for what was queued before.
  void StartProfile();
  std::vector<KernelTime> StopProfile();
  bool is_profiling() const { return profile_ != nullptr; }

  // Whether kernels may use the dot product of bytes of AVX-512 VNNI, by inline assembly: CPU
  // devices of PoCL, where a small kernel that does so gives the right result. Asked once.
  bool HasVnni();
  // Turns of the waiting loop of cl/resident.cl in a millisecond. Measured once.
  int SpinsPerMillisecond();
  // The best way that kernels have to multiply bytes by fours, by ProbeInt8Dot. Asked once.
  Int8Dot BestInt8Dot();

  // Writes all programs launched so far to the disk cache, which can take seconds where they are
  // new (ProgramCache::Save). Closing does it, too, for about half a second.
  void SaveKernels();

 private:
  friend struct Buffer::Block;
  friend class BufferMapping;
  friend class Kernel;

  Device(const DeviceInfo& info, std::shared_ptr<const Logger> logger);
  void Init(const DeviceOptions& options);
  void Close();
  void Leak();
  bool Forked() const;
  void CheckThread(const char* call) const;
  void RunErased(const std::function<void()>& work);
  void CheckRange(const char* call, const Buffer& buffer, uint64_t offset, uint64_t bytes) const;
  void WarnOfMemory() const;
  Kernel MakeKernel(uint64_t program, const std::string& kernel);
  void Submit(const Kernel& kernel, const Range& range, const Work* work);
  ClQueue NewQueue(cl_command_queue_properties properties) const;
  void Unmap(const Buffer& buffer, std::span<std::byte> span);
  void Retire(ClKernel kernel);  // released on the submission thread
  void ReleaseRetired();

  const DeviceInfo info_;
  const std::shared_ptr<const Logger> logger_;
  const pid_t pid_;
  ClContext context_;
  ClQueue queue_;
  std::unique_ptr<BufferPool> pool_;
  std::atomic<uint64_t> model_bytes_{0};
  std::unique_ptr<ProgramCache> programs_;
  std::unique_ptr<Profile> profile_;  // null: none runs
  std::mutex retired_mutex_;
  std::vector<ClKernel> retired_;
  Tuning tuning_;
  bool lost_ = false;  // submission thread only
  std::optional<bool> has_vnni_;
  std::optional<Int8Dot> int8_dot_;
  std::optional<int> spins_per_ms_;
  std::unique_ptr<SubmissionThread> thread_ = std::make_unique<SubmissionThread>();
};

}  // namespace inference
